"""Which key protects which subject: keys that the user names, and keys kept in OUT/keys by earlier runs."""

import os
from pathlib import Path

from unlearn import files
from unlearn.errors import UnlearnError
from unlearn.photos import keys, subjects
from unlearn.photos.keys import Key
from unlearn.photos.subjects import EVERYONE

SUFFIX = ".safetensors"
Known = dict[str, tuple[str, str]]  # subject -> (key file, key id)


def given(paths: tuple[Path, ...], photos: dict[str, int]) -> Known:
    """Keys that the user named, for subjects with so many photos each.

    Photos of subjects without a key get the key of `everyone`, if it is among them. (A single key is for all photos,
    whoever is on them: the caller has not asked for labels then.)

    Raises:
        KeyFileError: a file that cannot be used. UnlearnError: two keys of a subject, or subjects without any.
    """
    known: Known = {}
    for path in paths:
        key = keys.load(path)
        if key.subject in known:
            raise UnlearnError(f"{path}: a second key of {key.subject}; give one key a subject")
        known[key.subject] = (str(path.resolve()), key.id)
    without = {name: count for name, count in photos.items() if name not in known}
    if without and EVERYONE in known:
        return known | dict.fromkeys(without, known[EVERYONE])
    if without:
        names = ", ".join(f"{name} ({count})" for name, count in list(without.items())[:6])
        raise UnlearnError(
            f"no key for the photos of {names}{' ...' if len(without) > 6 else ''}; give their keys, one key of "
            f"{EVERYONE}, a single key for all photos, or none so that keys are crafted"
        )
    return known


def kept(folder: Path, intensity: str) -> Known:
    """Keys of earlier runs into the same OUT.

    Raises:
        KeyFileError: a file that cannot be used. UnlearnError: a key of another intensity.
    """
    known: Known = {}
    for path in sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else ():
        key = keys.load(path)
        if key.strength != intensity:
            raise UnlearnError(
                f"{path}: is of intensity {key.strength}, not {intensity}; "
                "name another OUT, or give it with --key to use it as it is"
            )
        known[key.subject] = (str(path.resolve()), key.id)
    return known


def keep(folder: Path, made: dict[str, Key]) -> Known:
    """Save keys into OUT/keys, which only the owner may enter.

    Raises:
        OutputError: the folder cannot be written.
    """
    with files.output_errors(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        os.chmod(folder, 0o700)
    for name, key in made.items():
        keys.save(place(folder, name), key)
    return {name: (str(place(folder, name).resolve()), key.id) for name, key in made.items()}


def place(folder: Path, subject: str) -> Path:
    """The file of a subject's key."""
    return folder / f"{subjects.file_name(subject)}{SUFFIX}"


def listing(folder: Path) -> list[tuple[Path, Key | str]]:
    """Key files below a folder with their keys, or with what is wrong with them."""
    found: list[tuple[Path, Key | str]] = []
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        try:
            found.append((path, keys.load(path)))
        except keys.KeyFileError as error:
            found.append((path, str(error)))
    return found


def described(path: Path, key: Key) -> list[str]:
    """What a key is, without what is secret about it."""
    variants, channels, side, _ = key.delta.shape
    channel = "luma" if channels == 1 else "color"
    return [
        f"{path}",
        f"  subject    {key.subject}",
        f"  id         {key.id}",
        f"  intensity  {key.strength}: at most {key.epsilon * 255:.3g} of 255 levels before the file is encoded",
        f"  protects   against {key.threat} on the photos; not against programs that know the face already",
        f"  noise      {variants} variants of {channel}, {side}x{side}, stretched over the photo",
        f"  made       {key.made or 'unknown'} by recipe {key.recipe_hash[:12] or 'unknown'}",
    ]


def facts(path: Path, key: Key) -> dict[str, object]:
    """The same for programs."""
    return {
        "path": str(path),
        "subject": key.subject,
        "id": key.id,
        "intensity": key.strength,
        "epsilon": key.epsilon,
        "threat": key.threat,
        "shape": list(key.delta.shape),
        "made": key.made,
        "recipe_hash": key.recipe_hash,
        "versions": key.versions,
    }
