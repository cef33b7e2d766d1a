"""One process at a time works on a state folder; a lock of a dead process does not count."""

import contextlib
import errno
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from unlearn.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

NAME = "lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock file, which names host and process.

    Raises:
        OutputError: another process holds it.
    """
    path = folder / NAME
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        holder = os.read(handle, 200).decode("utf-8", "replace").strip()
        if not _take(handle, holder):
            raise OutputError(f"{folder}: another process is at work here ({holder or 'unknown'}); wait for it to end")
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{platform.node()} {os.getpid()}\n".encode(), 0)
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _take(handle: int, holder: str) -> bool:
    """The system's lock where the file system has one; it ends with its process, however that ends."""
    if fcntl is None:
        return not _alive(holder)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        return not _alive(holder)
    return True


def _alive(holder: str) -> bool:
    """Whether the process named in a lock still runs; one on another host cannot be asked and counts as alive."""
    host, _, number = holder.rpartition(" ")
    if not number.isdecimal():
        return False
    if host != platform.node():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return int(number) != os.getpid()
