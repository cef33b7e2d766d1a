"""Files come into OUT whole or not at all: an exclusive temporary beside the target, flushed, then renamed.

Links inside OUT are never followed: one that leads back into PHOTOS must not cost an original.
"""

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from unlearn.photos import originals

PREFIX, SUFFIX = b".unlearn-", b".tmp"
CHUNK = 1 << 20
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_known: set[bytes] = set()


@dataclass(frozen=True, slots=True)
class Placed:
    """A file that lies in OUT now."""

    size: int
    sha256: bytes


def is_temporary(name: bytes) -> bool:
    """True for the name of a temporary of this or a dead run."""
    return name.startswith(PREFIX) and name.endswith(SUFFIX)


def put(root: bytes, path: bytes, data: bytes, mode: int, mtime_ns: int, fsync: bool = True) -> Placed:
    """Write `data` to root/path with the original's permissions and time.

    Raises:
        OSError: no space, no permission, a folder or a link in the way; nothing is left behind.
    """
    with _replacing(root, path, mode, mtime_ns, fsync) as handle:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
    return Placed(len(data), hashlib.sha256(data).digest())


def copy(root: bytes, path: bytes, source: bytes, follow_links: bool = False, fsync: bool = True) -> tuple[Placed, int]:
    """Copy a file of any size to root/path; also returns the original's mtime in ns.

    Raises:
        OSError, Changed: as for reading and writing; nothing is left behind.
    """
    digest, count = hashlib.sha256(), 0
    origin = originals.opened(source, follow_links)
    try:
        before = os.fstat(origin)
        with _replacing(root, path, stat.S_IMODE(before.st_mode), before.st_mtime_ns, fsync) as handle:
            while chunk := os.read(origin, CHUNK):
                digest.update(chunk)
                count += len(chunk)
                view = memoryview(chunk)
                while view:
                    view = view[os.write(handle, view) :]
            originals.check_unchanged(origin, before, count)
    finally:
        os.close(origin)
    return Placed(count, digest.digest()), before.st_mtime_ns


@contextlib.contextmanager
def _replacing(root: bytes, path: bytes, mode: int, mtime_ns: int, fsync: bool) -> Iterator[int]:
    folder = ensure(root, os.path.dirname(path))
    temporary = os.path.join(folder, PREFIX + secrets.token_hex(8).encode() + SUFFIX)
    handle = os.open(temporary, _FLAGS, 0o600)
    try:
        try:
            yield handle
            if fsync:
                os.fsync(handle)
        finally:
            os.close(handle)
        os.chmod(temporary, mode & 0o777)
        os.utime(temporary, ns=(mtime_ns, mtime_ns))
        os.replace(temporary, os.path.join(root, path))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def ensure(root: bytes, folder: bytes) -> bytes:
    """root/folder, made step by step where it is missing.

    Raises:
        OSError: a link or a file is in the way, or it may not be made.
    """
    full = os.path.join(root, folder) if folder else root
    if full in _known and os.path.isdir(full):
        return full
    if folder:
        ensure(root, os.path.dirname(folder))
        with contextlib.suppress(FileExistsError):
            os.mkdir(full)
        if not stat.S_ISDIR(os.lstat(full).st_mode):
            raise NotADirectoryError(20, "a link or file is in the way of a folder", full)
    _known.add(full)
    return full


def stale(root: bytes) -> Iterator[bytes]:
    """Temporaries of runs that died, below root."""
    for folder, _, names in os.walk(root, followlinks=False):
        yield from (os.path.join(folder, name) for name in names if is_temporary(name))
