"""Originals are opened for reading and nothing else; one that changes meanwhile is not used."""

import os
import stat
from dataclasses import dataclass

from unlearn.photos.picture import LeftOut

LARGEST = 4 << 30  # bytes of a photo's file; larger ones are no photos that anything can open
CHANGED = "changed while it was read; the next run takes it"
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


class Changed(LeftOut):
    """An original was written to while it was read."""


@dataclass(frozen=True, slots=True)
class Original:
    """A file's bytes, and the facts that were true before and after they were read. mode: permission bits."""

    data: bytes
    size: int
    mtime_ns: int
    mode: int


def opened(path: bytes, follow_links: bool) -> int:
    """A descriptor of a regular file.

    Raises:
        OSError: as `os.open` does, and for pipes and devices.
    """
    handle = os.open(path, _FLAGS if follow_links else _FLAGS | getattr(os, "O_NOFOLLOW", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(0, "is no regular file", path)
    return handle


def read(path: bytes, follow_links: bool = False) -> Original:
    """The whole file.

    Raises:
        OSError: it vanished or may not be read.
        LeftOut: too large for a photo.
        Changed: it was written to meanwhile.
    """
    with os.fdopen(opened(path, follow_links), "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        if before.st_size > LARGEST:
            raise LeftOut(f"{before.st_size / 1e9:.1f} GB: too large for a photo")
        data = file.read()
        check_unchanged(file.fileno(), before, len(data))
    return Original(data, before.st_size, before.st_mtime_ns, stat.S_IMODE(before.st_mode))


def check_unchanged(handle: int, before: os.stat_result, count: int) -> None:
    """Raise Changed unless size and time are what they were and `count` bytes were read."""
    after = os.fstat(handle)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or count != before.st_size:
        raise Changed(CHANGED)
