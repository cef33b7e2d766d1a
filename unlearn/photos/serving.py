"""What a worker process does: take a job, do it, tell the outcome, until the pipe is closed.

Imported by every worker before anything else, so it imports no more than protecting a photo needs.
"""

import contextlib
import ctypes
import os
import signal
from collections import deque
from multiprocessing.connection import Connection

from unlearn.errors import UnlearnError
from unlearn.photos import protecting
from unlearn.photos.jobs import Job, Need, Setup
from unlearn.signals import STOPPING

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

READY = True
GROWN = 300 << 20  # bytes of a worker, of which about 120 MB are its modules


class _Line:
    """The pipe to the main process. Jobs are sent ahead, so one may arrive where an answer is expected."""

    def __init__(self, pipe: Connection):
        self.pipe = pipe
        self.ahead: deque[Job] = deque()

    def job(self) -> Job:
        job: Job = self.ahead.popleft() if self.ahead else self.pipe.recv()
        return job

    def ask(self, need: Need) -> bool:
        """Wait until the memory is free."""
        self.pipe.send(need)
        while isinstance(answer := self.pipe.recv(), Job):
            self.ahead.append(answer)
        return bool(answer)


def serve(pipe: Connection, setup: Setup) -> None:
    """Work until the other end is gone. Signals that ask for a stop are the main process's to answer."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    _limit(setup.address_space)
    line = _Line(pipe)
    with contextlib.suppress(EOFError, OSError):  # the main process has ended, however that happened
        pipe.send(READY)
        while True:
            job = line.job()
            try:
                outcome = protecting.protect_file(job, setup, line.ask)
            except UnlearnError as error:  # a key that cannot be used: nothing of its subject can be done
                pipe.send(str(error))
                return
            pipe.send(outcome)
            _return_memory()


def _return_memory() -> None:
    """Let freed memory go back to the system once this process has grown.

    glibc keeps it in its heap, which photos of ever other sizes tear into pieces: a worker grew by half a megabyte a
    photo, to 2.3 GB after 5,000. Returning every large array at once instead costs a quarter of the time, in page
    faults. Other C libraries have no such call and no such habit.
    """
    with contextlib.suppress(AttributeError, OSError, ValueError):
        if _resident() > GROWN:
            ctypes.CDLL(None).malloc_trim(0)


def _resident() -> int:
    """Bytes of memory that this process has, on Linux."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _limit(address_space: int | None) -> None:
    if address_space is not None and resource is not None:
        resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
