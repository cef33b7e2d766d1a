"""The loop ends: at the stop error, at a plateau, or at the cap."""

import pytest

from unlearn.crafting.schedule import Cursor, Schedule

SCHEDULE = Schedule(stop_error=0.1, max_rounds=6, patience=3)


@pytest.mark.parametrize(
    ("errors", "reason"),
    [
        ((), None),
        ((0.9,), None),
        ((0.9, 0.1), "error"),
        ((0.9, 0.5, 0.6, 0.7), None),
        ((0.9, 0.5, 0.6, 0.7, 0.5), "plateau"),
        ((0.9, 0.8, 0.7, 0.6, 0.5, 0.4), "max_rounds"),
    ],
)
def test_falling_error(errors: tuple[float, ...], reason: str | None) -> None:
    assert Cursor(round=len(errors), errors=errors).stopped(SCHEDULE, "fall") == reason


@pytest.mark.parametrize(
    ("errors", "reason"),
    [((0.05,), None), ((0.05, 0.1), "error"), ((0.05, 0.09, 0.08, 0.08, 0.08), "plateau")],
)
def test_rising_error(errors: tuple[float, ...], reason: str | None) -> None:
    assert Cursor(round=len(errors), errors=errors).stopped(SCHEDULE, "rise") == reason


def test_rounds_of_whole_passes() -> None:
    """What does not fill a last batch is left out; fewer samples than a batch are one."""
    passes = Schedule(train_epochs=3, batch_size=32)
    assert [passes.surrogate_steps(samples) for samples in (100, 32, 5)] == [9, 3, 3]
    assert Schedule(train_steps=7).surrogate_steps(100) == 7


def test_without_a_goal_only_the_rounds_count() -> None:
    errors = (1.0,) * 5
    assert Cursor(round=5, errors=errors).stopped(SCHEDULE, None) is None
    assert Cursor(round=6, errors=errors).stopped(SCHEDULE, None) == "max_rounds"
