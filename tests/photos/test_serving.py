"""A worker process returns freed memory once it has grown, and only then."""

import ctypes
import sys

import psutil
import pytest

from unlearn.photos import serving


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc/self/statm, which this reads")
def test_resident_memory_is_told_in_bytes() -> None:
    assert serving._resident() == pytest.approx(psutil.Process().memory_info().rss, rel=0.1)


@pytest.mark.parametrize(("grown", "trims"), [(-1, 0), (0, 0), (1, 1)])
def test_memory_is_returned_only_by_a_worker_that_has_grown(
    monkeypatch: pytest.MonkeyPatch, grown: int, trims: int
) -> None:
    calls = []

    class Library:
        def malloc_trim(self, pad: int) -> int:
            calls.append(pad)
            return 1

    monkeypatch.setattr(serving, "_resident", lambda: serving.GROWN + grown)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library())
    serving._return_memory()
    assert calls == [0] * trims
