"""Where sources look: folders, splits, and paths that stay inside their root."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

from unlearn.errors import DataError


def require_split(split: str, splits: Iterable[str], place: str) -> None:
    """Raise DataError unless the split is one of those that are there."""
    there = sorted(splits)
    if split not in there:
        choices = ", ".join(map(shown, there)) or "none"
        raise DataError(f'split "{shown(split)}" is missing in {place}; it has: {choices}')


def folder(path: str) -> Path:
    """The folder of this name, or DataError."""
    place = Path(path).expanduser()
    if place.is_dir():
        return place
    raise DataError(f"{shown(path)}: {'is a file, expected a folder' if place.exists() else 'no such folder'}")


def file(path: str) -> Path:
    """The regular file of this name, or DataError."""
    place = Path(path).expanduser()
    if place.is_file():
        return place
    raise DataError(f"{shown(path)}: {'not a regular file' if place.exists() else 'no such file'}")


def shown(text: object) -> str:
    """Text on one line: what cannot be printed, such as a line break in a file name, is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def inside(root: Path, base: Path, name: str, where: str) -> Path:
    """The file `name` under `base`, or DataError when it is not a file that lies inside `root`."""
    windows = PureWindowsPath(name)
    climbs = ".." in (*PurePosixPath(name).parts, *windows.parts)
    if climbs or "\0" in name or name.startswith("/") or windows.drive or windows.root:
        raise DataError(f'{where}: "{shown(name)}" is not a plain path inside the folder')
    require_inside(root, base / name, where)
    if not (base / name).is_file():
        raise DataError(f'{where}: no such file "{shown(name)}"')
    return base / name


def require_inside(root: Path, path: Path, where: str) -> None:
    """Raise DataError when a path, with all links followed, lies outside the root."""
    try:
        there = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # links in a circle
        there = False
    if not there:
        raise DataError(f'{where}: "{shown(path.name)}" leads out of the folder {shown(root.name)}; not followed')


def reason(error: BaseException) -> str:
    """The first line of a foreign error, short enough for a message."""
    return shown(str(error).strip().split("\n")[0])[:160] or type(error).__name__
