"""Files that are either whole or absent: temporary name, flush, rename."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unlearn.errors import OutputError


@contextlib.contextmanager
def replacing(path: Path, mode: int = 0o644) -> Iterator[Path]:
    """A temporary file beside `path` that takes its place when the block ends without an error."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    except OSError as error:  # the temporary name is nobody's business
        raise OSError(error.errno, error.strerror, str(path)) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(mode)
        _flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Write UTF-8 text whole or not at all."""
    with replacing(path, mode) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write bytes whole or not at all."""
    with replacing(path, mode) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON whole or not at all."""
    write_text(path, json.dumps(value, indent=2, sort_keys=False) + "\n")


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_empty(folder: Path) -> bool:
    """True for a folder that does not exist or holds nothing."""
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def claim(folder: Path, space: int = 0, *, empty: bool = True) -> Path:
    """Make an output folder, after checking everything that can be checked before writing.

    Args:
        folder: the folder; its parents are made too.
        space: bytes that the output is going to need.
        empty: refuse a folder that holds anything.

    Raises:
        OutputError: not a folder, not empty, not writable, or too little space; nothing is left behind.
    """
    with output_errors(folder):
        _check_folder(folder, empty)
        parent = next(p for p in (folder, *folder.absolute().parents) if p.exists())
        if not parent.is_dir():
            raise OutputError(f"{folder}: cannot be created inside a file")
        _check_space(parent, space)
        if not os.access(parent, os.W_OK | os.X_OK):
            raise OutputError(f"{parent}: no permission to write here")
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def _check_folder(folder: Path, empty: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; name a folder that does not exist or is empty")
    if empty and not is_empty(folder):
        raise OutputError(f"{folder}: exists and is not empty; name a folder that does not exist or is empty")


def _check_space(parent: Path, space: int) -> None:
    free = shutil.disk_usage(parent).free
    if free < space:
        raise OutputError(f"{parent}: {free / 1e6:,.0f} MB free, about {space / 1e6:,.0f} MB needed")


@contextlib.contextmanager
def output_errors(place: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into OutputError."""
    reasons = {
        errno.ENOSPC: "no space left on this disk",
        errno.EDQUOT: "disk quota used up",
        errno.EFBIG: "larger than a file may be here",
        errno.EACCES: "no permission to write here",
        errno.EPERM: "no permission to write here",
        errno.EROFS: "this file system is read-only",
        errno.ENOENT: "cannot be created here",
        errno.ENOTDIR: "cannot be created inside a file",
        errno.ENAMETOOLONG: "this name is too long",
        errno.ENOTEMPTY: "is not empty any more: something else writes here",
    }
    try:
        yield
    except OSError as error:
        if error.errno not in reasons:
            raise
        raise OutputError(f"{error.filename or place}: {reasons[error.errno]}") from error
