"""A figure that tests of several files need, computed by the first process that asks for it."""

import fcntl
import json
from collections.abc import Callable
from pathlib import Path

PLACE: Path | None = None  # a folder of all processes of a test run, see conftest.py


def once(name: str, compute: Callable[[], float]) -> float:
    """What `compute` gives; the others wait for it."""
    assert PLACE is not None
    file = PLACE / f"{name}.json"
    with open(PLACE / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            file.write_text(json.dumps(compute()))
        return float(json.loads(file.read_text()))
