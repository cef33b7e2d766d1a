"""The photo bench runs and says what it should; never a time."""

from pathlib import Path

from bench_quick import quick


def test_quick(tmp_path: Path) -> None:
    found = quick("photos", tmp_path, "--verify", "none", "--processes", "2")
    assert found["files"] == 10
    assert found["processes"] == 2
    assert found["bare_photos_per_second"] > 0
    assert 0 < found["share_of_bare"]["none"] < 2
    assert found["linear"]["photos"] == 2
