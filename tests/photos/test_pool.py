"""Worker processes: every job ends with an outcome, deaths cost one photo each, memory is bounded, torch stays away."""

import os
import time
from collections import deque
from pathlib import Path

import pytest
from archives import photo, saved_key

from unlearn.errors import WorkersError
from unlearn.photos import keys, pool
from unlearn.photos.jobs import Ask, Job, Need, Outcome, Setup
from unlearn.photos.pool import Limits
from unlearn.photos.rows import Row
from unlearn.signals import StopRequest


class Queue:
    """A feed of jobs that depend on nothing."""

    def __init__(self, jobs: list[Job]):
        self.jobs, self.ended = deque(jobs), list[Row]()

    def next(self) -> Job | None:
        return self.jobs.popleft() if self.jobs else None

    def done(self, row: Row) -> None:
        self.ended.append(row)


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    key = saved_key(tmp_path / "key.safetensors")
    for number in range(8):
        photo(tmp_path / "in" / f"{number}.jpg", number)
    (tmp_path / "out").mkdir()
    names = {"everyone": (str(key), keys.load(key).id)}
    return Setup(os.fsencode(tmp_path / "in"), os.fsencode(tmp_path / "out"), names, fsync=False)


def jobs(*names: str) -> list[Job]:
    return [Job(name.encode(), name.encode(), subject="everyone") for name in names]


def work(setup: Setup, feed: Queue, limits: Limits = Limits(2), stop: StopRequest | None = None) -> list[Outcome]:
    return list(pool.outcomes(feed, setup, limits, stop or StopRequest()))


def serve_badly(pipe: object, setup: Setup) -> None:
    """A worker that dies on 3.jpg, hangs on 5.jpg, and tells what it imported on 7.jpg."""
    import sys

    from unlearn.photos import protecting, serving

    real = protecting.protect_file

    def protect(job: Job, setup: Setup, ask: Ask = lambda need: True) -> Outcome:
        if job.path == b"3.jpg":
            os.abort()
        if job.path == b"5.jpg":
            time.sleep(60)
        outcome = real(job, setup, ask)
        if job.path == b"7.jpg":
            heavy = sorted({"torch", "torchvision", "datasets", "accelerate", "scipy"} & set(sys.modules))
            return Outcome(Row(job.path, "copied", f"imported {heavy}"))
        return outcome

    protecting.protect_file = protect
    serving.serve(pipe, setup)  # type: ignore[arg-type]


def test_every_job_has_one_outcome(setup: Setup, tmp_path: Path) -> None:
    feed = Queue(jobs(*(f"{n}.jpg" for n in range(8)), "gone.jpg"))
    rows = {outcome.row.path: outcome.row for outcome in work(setup, feed)}
    assert {path for path, row in rows.items() if row.status == "protected"} == {b"%d.jpg" % n for n in range(8)}
    assert rows[b"gone.jpg"].reason == "vanished before it could be read"
    assert len(feed.ended) == 9
    assert len(list((tmp_path / "out").iterdir())) == 8


def test_a_crash_costs_the_photo_in_hand_and_nothing_else(
    setup: Setup, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pool, "serve", serve_badly)
    feed = Queue(jobs(*(f"{n}.jpg" for n in (0, 1, 3, 4, 6, 2))))
    rows = {outcome.row.path: outcome.row for outcome in work(setup, feed)}
    assert [path for path, row in rows.items() if row.status != "protected"] == [b"3.jpg"]
    assert "signal 6" in rows[b"3.jpg"].reason
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["0.jpg", "1.jpg", "2.jpg", "4.jpg", "6.jpg"]


def test_a_photo_that_takes_too_long_fails(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "serve", serve_badly)
    rows = {
        outcome.row.path: outcome.row
        for outcome in work(setup, Queue(jobs("5.jpg", "6.jpg", "4.jpg")), Limits(1, patience=1.5))
    }
    assert rows[b"5.jpg"].reason == "took more than 1.5 s"
    assert [rows[name].status for name in (b"6.jpg", b"4.jpg")] == ["protected", "protected"]


def test_workers_do_not_import_torch(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "serve", serve_badly)
    (outcome,) = work(setup, Queue(jobs("7.jpg")))
    assert outcome.row.reason == "imported []"


def end_at_once(pipe: object, setup: Setup) -> None:
    """A worker that cannot start."""
    os._exit(3)


def test_workers_that_cannot_start_are_one_line(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "serve", end_at_once)
    with pytest.raises(WorkersError, match="end as they start"):
        work(setup, Queue(jobs("0.jpg")))


def test_a_key_that_was_replaced_stops_the_run(setup: Setup, tmp_path: Path) -> None:
    saved_key(tmp_path / "key.safetensors", seed=1)
    with pytest.raises(WorkersError, match="was replaced during the run"):
        work(setup, Queue(jobs("0.jpg")))


def test_a_stop_request_ends_what_is_in_hand_and_starts_nothing(setup: Setup) -> None:
    stop = StopRequest()
    feed = Queue(jobs(*(f"{n}.jpg" for n in range(8))))
    count = 0
    for outcome in pool.outcomes(feed, setup, Limits(1), stop):
        assert outcome.row.status == "protected"
        stop.requested = True
        count += 1
    assert 1 <= count <= pool.AHEAD
    assert len(feed.jobs) == 8 - count


def test_photos_beyond_the_memory_budget_take_turns_and_never_starve(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    real = pool._Crew._grant

    def grant(self: pool._Crew) -> None:
        real(self)
        held.append(sum(1 for worker in self.workers if worker.granted))

    monkeypatch.setattr(pool._Crew, "_grant", grant)
    assert len(work(setup, Queue(jobs(*(f"{n}.jpg" for n in range(8)))), Limits(3, memory=1))) == 8
    assert max(held) == 1


def test_memory_is_asked_for_by_decoded_size(setup: Setup) -> None:
    asked: list[Need] = []
    from unlearn.photos import protecting

    def ask(need: Need) -> bool:
        asked.append(need)
        return True

    protecting.protect_file(jobs("0.jpg")[0], setup, ask)
    assert asked[0].memory >= 96 * 64 * 3 * 3


def test_the_environment_is_as_before(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    work(setup, Queue(jobs("0.jpg")))
    assert os.environ["OMP_NUM_THREADS"] == "5"
    assert "OPENBLAS_NUM_THREADS" not in os.environ
