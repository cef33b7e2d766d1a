"""How long keys of photos will take, from a few steps of their recipe on made-up photos of the same size."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from unlearn import album, recipe
from unlearn.album import Album
from unlearn.crafting.schedule import Schedule
from unlearn.crafting.workers import alone
from unlearn.progress import Silent
from unlearn.recipe import Recipe

FEW, MORE = 1, 4  # steps of the surrogate in the two trials


def estimate(subjects: Mapping[str, int], intensity: str, name: str | None = None) -> float | None:
    """Seconds to craft the keys of subjects with so many photos each, on this process alone.

    None for a method whose rounds are not known before.

    Raises:
        RecipeError: for the recipe.
    """
    settings = recipe.load(name or f"photos/{intensity}")
    schedule = getattr(settings.method, "schedule", None)
    if not isinstance(schedule, Schedule):
        return None
    classes = max(album.CLASSES, len(subjects))
    photos = _made_up(schedule.pgd_batch_size, classes, album.side(settings))
    _trial(settings, schedule, photos, FEW)  # what happens once only, such as loading, is not counted
    few, more = (_trial(settings, schedule, photos, steps) for steps in (FEW, MORE))
    step = max(0.0, more - few) / (MORE - FEW)
    count = _photos(subjects)
    noise = max(0.0, few - FEW * step) * count / schedule.pgd_batch_size
    return schedule.max_rounds * (schedule.surrogate_steps(count) * step + noise)


def _photos(subjects: Mapping[str, int]) -> int:
    """Photos that are learned from, decoys included."""
    each = album.photos_each(len(subjects))
    count = sum(min(photos, each) for photos in subjects.values())
    decoys = max(0, album.CLASSES - len(subjects))
    return count + decoys * max(2, count // len(subjects))


def _made_up(count: int, classes: int, side: int) -> Album:
    """Photos of nothing: the time does not depend on what is seen."""
    labels = np.arange(count) % classes
    images = np.random.default_rng(0).integers(0, 256, (count, 3, side, side), dtype=np.uint8)
    names = tuple(map(str, range(classes)))
    return Album(album.ImageDataset(images, labels, names), labels.astype(np.int32), names)


def _trial(settings: Recipe, schedule: Schedule, photos: Album, steps: int) -> float:
    """Seconds of one round with so many steps of the surrogate."""
    short = replace(schedule, train_steps=steps, train_epochs=None, min_rounds=1, max_rounds=1)
    method: Any = replace(settings.method, schedule=short)
    with tempfile.TemporaryDirectory() as work:
        problem = album.problem(settings, photos, b"", Path(work), alone(), Silent())
        started = time.monotonic()
        method.craft(problem)
    return time.monotonic() - started
