"""The time that keys will take: counted photos and steps, and a trial that really crafts."""

from pathlib import Path

import pytest
from test_album import photos

from unlearn import album, album_timing, recipe


@pytest.mark.parametrize("counts", [{"a": 3}, {"a": 3, "b": 60}, {str(i): 12 for i in range(9)}])
def test_as_many_photos_as_the_album_has(tmp_path: Path, counts: dict[str, int]) -> None:
    subjects = {name: photos(tmp_path / name, name, count) for name, count in counts.items()}
    assert album_timing._photos(counts) == len(album.collect(subjects, 8).data)


def test_seconds_are_those_of_all_steps_and_noise_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials that take 2 s a step and 6 s a pass over one batch, with something added to the first."""
    taken = iter([100 + 2 + 6, 2 + 6, 8 + 6])
    monkeypatch.setattr(album_timing, "_trial", lambda *arguments: next(taken))
    schedule = recipe.load("photos/mid").method.schedule  # type: ignore[attr-defined]
    counts = {str(i): 16 for i in range(16)}
    expected = schedule.max_rounds * (schedule.train_steps * 2 + 6 * 256 / schedule.pgd_batch_size)
    assert album_timing.estimate(counts, "mid") == pytest.approx(expected)


def test_a_trial_crafts_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    seconds = album_timing.estimate({"a": 20, "b": 20}, "low")
    assert seconds is not None
    assert seconds > 5
    assert list(tmp_path.iterdir()) == []


def test_a_method_whose_rounds_are_not_known() -> None:
    assert album_timing.estimate({"a": 20}, "mid", "small/lsp") is None
