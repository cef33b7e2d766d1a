"""Which entries a user wants left alone: ignore files in gitignore syntax, and --include and --exclude."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pathspec

from unlearn.errors import UnlearnError

IGNORE_FILES = (b".unlearnignore", b".ppignore", b".immichignore")
NO_MEDIA = b".nomedia"
# Folders and files that other programs fill with clean originals or previews.
NEVER = (b"@eadir", b"thumbs.db", b"#recycle", b"$recycle.bin", b"lost+found", b"__macosx")
NEVER_SUFFIXES = (b".lrdata",)
LIBRARIES = (b".photoslibrary", b".lrlibrary")


@dataclass(frozen=True)
class Level:
    """One folder's ignore file: patterns that apply below `folder` (relative to the root, ends with / unless empty)."""

    folder: bytes
    name: str
    patterns: pathspec.GitIgnoreSpec

    def ignores(self, path: bytes) -> bool | None:
        """True or False where a pattern decides, None where none does; folders end with /."""
        return self.patterns.check_file(_text(path[len(self.folder) :])).include


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def never(name: bytes) -> str | None:
    """The rule by which an entry of this name is never looked at, or None."""
    lower = name.lower()
    if lower in NEVER or lower.endswith(NEVER_SUFFIXES):
        return "previews and trash of other programs"
    return "hidden" if name.startswith(b".") else None


def is_library(name: bytes) -> bool:
    """True for a photo manager's own package, which must be exported first."""
    return name.lower().endswith(LIBRARIES)


def levels_of(folder: bytes, root: bytes, names: Iterable[bytes]) -> tuple[Level, ...]:
    """The ignore files among a folder's entries, read."""
    found = set(names)
    levels = []
    for name in IGNORE_FILES:
        if name in found:
            with open(os.path.join(root, folder, name), "rb") as file:
                lines = _text(file.read(1_000_000)).splitlines()
            levels.append(Level(folder, name.decode(), compiled(lines, name.decode())))
    return tuple(levels)


def compiled(lines: Sequence[str], where: str) -> pathspec.GitIgnoreSpec:
    """Patterns in gitignore syntax.

    Raises:
        UnlearnError: naming `where`, for a pattern that means nothing.
    """
    try:
        return pathspec.GitIgnoreSpec.from_lines(lines)
    except (ValueError, TypeError) as error:
        raise UnlearnError(f"{where}: not a pattern in gitignore syntax ({str(error)[:120]})") from error


def deciding(levels: Sequence[Level], path: bytes) -> str | None:
    """The name of the ignore file that hides this path, or None; a deeper file overrules those above it."""
    for level in reversed(levels):
        ignored = level.ignores(path)
        if ignored is not None:
            return level.name if ignored else None
    return None
