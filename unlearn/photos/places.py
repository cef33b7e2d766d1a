"""PHOTOS and OUT must be two folders, neither inside the other, whatever links and mounts say."""

import os
from pathlib import Path

from unlearn import files
from unlearn.errors import OutputError
from unlearn.photos import manifest
from unlearn.photos.walking import InputMissing

KEYS = "keys"
OWN = {manifest.FOLDER, KEYS}


def check(photos: Path, out: Path, state: Path | None = None) -> None:
    """Look at everything that can be wrong with the folders, without writing.

    Raises:
        InputMissing: PHOTOS is no folder.
        OutputError: one folder holds another, or OUT holds files that are not ours.
    """
    if not photos.is_dir():
        raise InputMissing(f"{photos}: {'is no folder' if photos.exists() else 'does not exist'}")
    _apart(photos, out, "OUT")
    if state is not None:
        _apart(photos, state, "--state")
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out}: is a file; name a folder that does not exist or is empty")
    if not (state_folder(out, state) / manifest.NAME).is_file():
        foreign = sorted(entry.name for entry in os.scandir(out) if entry.name not in OWN) if out.is_dir() else []
        if foreign:
            hint = "name a folder that does not exist or is empty"
            raise OutputError(f"{out}: holds other files ({foreign[0]!r}); {hint}")


def state_folder(out: Path, state: Path | None) -> Path:
    """Where the manifest of an archive lies."""
    return state if state is not None else out / manifest.FOLDER


def is_archive(out: Path, state: Path | None = None) -> bool:
    """Whether a folder was written by `unlearn protect`."""
    return (state_folder(out, state) / manifest.NAME).is_file()


def claim(out: Path, space: int) -> None:
    """Make OUT, with room for `space` bytes.

    Raises:
        OutputError: not writable, or too little space.
    """
    files.claim(out, space, empty=False)


def _apart(photos: Path, other: Path, name: str) -> None:
    if _holds(photos, other):
        raise OutputError(f"{other}: {name} lies inside PHOTOS ({photos}); name a folder outside, originals stay alone")
    if name == "OUT" and _holds(other, photos):
        raise OutputError(f"{photos}: PHOTOS lies inside OUT ({other}); name another folder for the protected copies")


def _holds(outer: Path, inner: Path) -> bool:
    """True if `inner` is `outer` or lies inside, by resolved path or by device and inode of any folder above."""
    resolved, target = outer.resolve(), inner.resolve()
    if target == resolved or resolved in target.parents:
        return True
    try:
        identity = os.stat(outer)
    except OSError:
        return False
    return any(place.exists() and os.path.samestat(os.stat(place), identity) for place in (target, *target.parents))
