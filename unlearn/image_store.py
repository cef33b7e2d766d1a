"""Decoded images kept in a folder: one .npy file a set, named by its key, opened read-only as a map.

A file is written under another name and takes its own when it is complete, so that a kill leaves none half written.
Whoever wants a set that another process is writing waits for it.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from unlearn import files, placing
from unlearn.images import Pixels

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

Fill = Callable[[Pixels], bool]


def kept(folder: Path, key: str, shape: tuple[int, ...], fill: Fill) -> Pixels | None:
    """The images under this key, as they were kept or as `fill` writes them into zeros of this shape (N, C, H, W).

    Returns None, and keeps nothing, when `fill` says that the shape will not do.

    Raises:
        OutputError: when the file cannot be written; whatever `fill` raises.
    """
    path = folder / f"{key}.npy"
    with files.output_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (found := opened(path, shape[0])) is not None:
            return found
        with _one_at_a_time(path):
            found = opened(path, shape[0])
            if found is None and _written(path, shape, fill):
                found = opened(path, shape[0])
    return found


def opened(path: Path, count: int) -> Pixels | None:
    """The images of a file, read-only; None without one, or for a file that is not of so many images."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.dtype == np.uint8 and found.ndim == 4 and len(found) == count else None


def _written(path: Path, shape: tuple[int, ...], fill: Fill) -> bool:
    for remains in path.parent.glob(f".{path.name}.*.tmp"):  # of a process that was killed: it held the lock we hold
        remains.unlink(missing_ok=True)
    with contextlib.suppress(_WillNotDo), files.replacing(path, mode=0o600) as temporary:
        with temporary.open("r+b") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
            start = file.tell()
            placing.reserve(file.fileno(), start + int(np.prod(shape)))
            images = np.memmap(file, np.uint8, "r+", start, shape)
        if not fill(images):
            raise _WillNotDo
        images.flush()
        return True
    return False


class _WillNotDo(Exception):
    """Leaves the block without the file taking its name."""


@contextlib.contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Hold the key's lock, where there are locks; the system lets go of it when a process is killed."""
    if fcntl is None:
        yield
        return
    place = path.with_name(f".{path.stem}.lock")
    with _locked(place):
        try:
            yield
        finally:
            place.unlink(missing_ok=True)


def _locked(place: Path) -> IO[str]:
    """The file of a lock, open and locked."""
    while True:
        lock = place.open("w")
        with contextlib.suppress(OSError):  # some network file systems have no locks: then two may do the same work
            fcntl.flock(lock, fcntl.LOCK_EX)
        if _still(place, lock.fileno()):
            return lock
        lock.close()


def _still(place: Path, held: int) -> bool:
    """Whether the locked file has not been taken away meanwhile: who comes later locks another one then."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(place.stat(), os.fstat(held))
    return False
