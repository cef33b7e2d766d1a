"""Worker processes that survive their own death: a crash costs the photo in hand and nothing else.

concurrent.futures cannot say which job killed its pool; here every worker has a pipe of its own. A worker asks for
memory before it decodes, so that all photos in flight stay within one budget; a larger one waits and then runs alone.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

from unlearn.errors import WorkersError
from unlearn.photos.jobs import Job, Need, Outcome, Setup
from unlearn.photos.rows import Row
from unlearn.photos.serving import serve
from unlearn.signals import StopRequest

AHEAD = 2  # jobs a worker has: one in hand, one that it finds waiting
TICK = 0.5
STARTS = 3  # workers that may die before their first job
# One thread a worker: several workers with a thread per core each would only wait for one another.
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class Feed(Protocol):
    """Where jobs come from. Some can be given out only when others are done."""

    def next(self) -> Job | None:
        """The next job that may start now."""
        ...

    def done(self, row: Row) -> None:
        """A job has ended, which may set others free."""
        ...


@dataclass(frozen=True)
class Limits:
    """workers: processes. memory: decoded bytes in flight. patience: seconds for one photo, or None."""

    workers: int
    memory: int = 1 << 30
    patience: float | None = None


@dataclass
class Worker:
    """A process, its pipe, the jobs it has, and what it holds of the memory budget."""

    process: BaseProcess
    pipe: Connection
    jobs: deque[Job] = field(default_factory=deque)
    since: float = 0.0
    granted: int = 0
    wish: Need | None = None
    ready: bool = False


def outcomes(
    feed: Feed, setup: Setup, limits: Limits, stop: StopRequest, is_ours: Callable[[bytes], bool] = lambda sha256: False
) -> Iterator[Outcome]:
    """Outcomes of all jobs of the feed, as they end.

    After a stop request no further job starts; those in hand end.

    Args:
        is_ours: whether a source's SHA-256 is that of an output of ours.

    Raises:
        WorkersError: worker processes cannot be started.
    """
    crew = _Crew(feed, setup, limits, is_ours)
    try:
        while True:
            if not stop.requested:
                crew.hand_out()
            if not crew.busy():
                return
            for outcome in crew.listen():
                feed.done(outcome.row)
                yield outcome
                stop.requested = stop.requested or bool(outcome.stop)
    finally:
        crew.dismiss()


class _Crew:
    def __init__(self, feed: Feed, setup: Setup, limits: Limits, is_ours: Callable[[bytes], bool]):
        self.feed, self.setup, self.limits, self.is_ours = feed, setup, limits, is_ours
        self.workers: list[Worker] = []
        self.returned: deque[Job] = deque()
        self.failed_starts = 0

    def busy(self) -> bool:
        return any(worker.jobs for worker in self.workers)

    def hand_out(self) -> None:
        """Give jobs round by round, so that nobody has two while another has none."""
        for load in range(AHEAD if self.limits.patience is None else 1):
            for index in range(self.limits.workers):
                if index < len(self.workers) and len(self.workers[index].jobs) > load:
                    continue
                job = self.returned.popleft() if self.returned else self.feed.next()
                if job is None:
                    return
                self._give(self._at(index), job)

    def _at(self, index: int) -> Worker:
        """The worker at a place: a new one where there is none yet, or where it died with nothing to do."""
        if index == len(self.workers):
            self.workers.append(self._start())
        elif not self.workers[index].jobs and not self.workers[index].process.is_alive():
            self.workers[index] = self._start()
        return self.workers[index]

    def _give(self, worker: Worker, job: Job) -> None:
        if not worker.jobs:
            worker.since = time.monotonic()
        worker.jobs.append(job)
        _send(worker, job)

    def _start(self) -> Worker:
        context = get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=serve, args=(there, self.setup), daemon=True)
        before = {name: os.environ.get(name) for name in THREADS}
        os.environ.update(dict.fromkeys(THREADS, "1"))
        try:
            process.start()
        finally:
            _restore(before)
        there.close()
        return Worker(process, here)

    def listen(self) -> list[Outcome]:
        """Wait for messages, deaths and overlong jobs."""
        found = []
        ready = set(wait([worker.pipe for worker in self.workers if worker.jobs], TICK))
        for place, worker in enumerate(self.workers):
            if worker.pipe in ready:
                found += self._hear(place, worker)
            elif worker.jobs and self._overdue(worker):
                worker.process.kill()
        self._grant()
        return found

    def _overdue(self, worker: Worker) -> bool:
        # Waiting for memory is not the photo's fault.
        return self.limits.patience is not None and not worker.wish and self._age(worker) > self.limits.patience

    def _age(self, worker: Worker) -> float:
        return time.monotonic() - worker.since if worker.ready else 0.0

    def _hear(self, place: int, worker: Worker) -> list[Outcome]:
        try:
            message: Any = worker.pipe.recv()
        except (EOFError, OSError):
            return self._bury(place, worker)
        if isinstance(message, Outcome):
            worker.jobs.popleft()
            worker.granted, worker.since = 0, time.monotonic()
            return [message]
        if isinstance(message, Need):
            worker.wish = message
        elif isinstance(message, str):
            raise WorkersError(message)
        else:
            worker.ready, worker.since = True, time.monotonic()
        return []

    def _grant(self) -> None:
        """First come, first served; whoever is alone gets what he asks for."""
        for worker in sorted((w for w in self.workers if w.wish), key=lambda w: w.since):
            need = worker.wish
            held = sum(other.granted for other in self.workers)
            if need is None or (held and held + need.memory > self.limits.memory):
                return
            worker.wish, worker.granted, worker.since = None, need.memory, time.monotonic()
            _send(worker, not self.is_ours(need.sha256))

    def _bury(self, place: int, worker: Worker) -> list[Outcome]:
        """A dead worker's place is taken by a new one; its first job has failed, the others go back."""
        worker.process.join()
        overdue = self._overdue(worker)
        if not worker.ready:
            self.failed_starts += 1
            if self.failed_starts >= STARTS:
                raise WorkersError(f"worker processes end as they start (exit code {worker.process.exitcode})")
        worker.pipe.close()
        self.workers[place] = self._start()
        lost = worker.jobs.popleft() if worker.ready else None
        self.returned.extend(worker.jobs)
        if lost is None:
            return []
        reason = f"took more than {self.limits.patience:g} s" if overdue else _death(worker.process.exitcode)
        return [Outcome(Row(lost.path, "failed", reason, subject=lost.subject, format=lost.format))]

    def dismiss(self) -> None:
        """End all workers; one with a job in hand is killed, which leaves a temporary and no half photo."""
        for worker in self.workers:
            worker.pipe.close()
        for worker in self.workers:
            if worker.jobs:
                worker.process.kill()
            worker.process.join(5)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


def _send(worker: Worker, message: Any) -> None:
    """A worker that died in the meantime is found by `listen`."""
    try:
        worker.pipe.send(message)
    except OSError:
        return


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        hint = " (memory ran out?)" if code == -9 else ""
        return f"its decoder crashed with signal {-code}{hint}"
    return f"its worker ended with exit code {code}"


def _restore(before: dict[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
