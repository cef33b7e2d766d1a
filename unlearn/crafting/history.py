"""What a run's log says about its crafting: how it ended, and what it cost."""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unlearn import memory
from unlearn.progress import Progress

WORKED = "worked"
PEAK = "peak_memory_mb"
COSTS = ("seconds", "cpu_seconds")


@contextlib.contextmanager
def timed(progress: Progress) -> Iterator[None]:
    """Log what the work inside took, also when it was interrupted.

    Seconds on the clock and of this process's CPU time, and its peak of anonymous memory where the system tells.
    """
    started, worked = time.monotonic(), time.process_time()
    with memory.Peak() as peak:
        try:
            yield
        finally:
            seconds, cpu = time.monotonic() - started, time.process_time() - worked
            most = {} if peak.megabytes is None else {PEAK: peak.megabytes}
            progress.log(WORKED, seconds=round(seconds, 2), cpu_seconds=round(cpu, 2), **most)


def crafting_facts(log: Path) -> dict[str, Any]:
    """Rounds, the last error, why it stopped; seconds of all its lives that no kill ended, and their peak of memory."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    events = [_event(line) for line in lines]
    stops = [event for event in events if event.get("event") == "stopped"]
    worked = [event for event in events if event.get("event") == WORKED]
    ended = {key: value for key, value in stops[-1].items() if key != "event"} if stops else {}
    sums = {key: round(sum(event.get(key, 0) for event in worked), 2) for key in COSTS} if worked else {}
    peaks = [event[PEAK] for event in worked if PEAK in event]
    return ended | sums | ({PEAK: max(peaks)} if peaks else {})


def _event(line: str) -> dict[str, Any]:
    """A line of the log; a kill may have cut one short."""
    try:
        return dict(json.loads(line))
    except (ValueError, TypeError):
        return {}
