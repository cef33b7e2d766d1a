"""How much memory this process needs and may have.

What it needs are anonymous pages only, since pages of mapped files can be dropped at any time.
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

STATUS = Path("/proc/self/status")
GROUPS = Path("/proc/self/cgroup")
CONTROL = Path("/sys/fs/cgroup")
EVERY_SECONDS = 0.05


def anonymous() -> int | None:
    """Bytes of anonymous memory that are resident now; None where the system does not say (it is Linux that does)."""
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith("RssAnon:")), None)
    return int(found.split()[1]) * 1024 if found else None


def installed() -> int | None:
    """Bytes of memory that the machine has; None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def granted() -> int | None:
    """Bytes that this process may hold: the machine's, or fewer where a container or a batch job is held to fewer."""
    known = [size for size in (installed(), *_limits()) if size is not None]
    return min(known, default=None)


def _limits() -> Iterator[int]:
    """Of this process's control groups and those around them (Linux, versions 1 and 2); none where nothing is set."""
    try:
        lines = GROUPS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            place, name = ("", "memory.max") if not controllers else ("memory", "memory.limit_in_bytes")
            yield from _along(CONTROL / place, path.strip("/"), name)


def _along(root: Path, path: str, name: str) -> Iterator[int]:
    """Numbers in the files of this name from root / path up to root. A container sees its own group as the root."""
    inside = root / path
    for folder in (inside, *(each for each in inside.parents if each.is_relative_to(root))):
        try:
            text = (folder / name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal():  # "max" without a limit
            yield int(text)


class Peak:
    """The most anonymous memory while the block ran, looked at every few hundredths of a second.

    The kernel keeps a peak of all resident pages only, in which a mapped file counts as much as a copy of it.
    """

    def __init__(self) -> None:
        self.bytes = anonymous()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()
        self._look()

    @property
    def megabytes(self) -> int | None:
        """In millions of bytes, for logs."""
        return None if self.bytes is None else round(self.bytes / 1e6)

    def _watch(self) -> None:
        while not self._ended.wait(EVERY_SECONDS):
            self._look()

    def _look(self) -> None:
        now = anonymous()
        if now is not None and self.bytes is not None:
            self.bytes = max(self.bytes, now)
