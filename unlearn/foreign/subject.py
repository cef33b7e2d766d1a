"""A foreign protected set as the subject of an audit: paired with its clean originals, its budget measured.

What its makers promise is not asked: the budget in the results, and that of the random control, is what their
pixels differ by from the clean ones.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearn import control, images, placing, recipe, registry, run
from unlearn.audit.run import Subject
from unlearn.datasets import ImageDataset, limited, stratified
from unlearn.errors import DataError
from unlearn.foreign import pairing, reading, tensorfile
from unlearn.images import Pixels
from unlearn.promise import Promise
from unlearn.quantities import LEVELS
from unlearn.recipe import Recipe
from unlearn.sources import _places

SPARSE = 0.5  # of the strength of noise that fills the budget; below, the control is as strong as each image's change
BLOCK = 2048


@dataclass(frozen=True)
class Clean:
    """The clean data: all of the split, and the part of it that the recipe takes, at positions `part`."""

    whole: ImageDataset
    data: ImageDataset
    part: NDArray[np.int64]


def subject(path: Path, original: Recipe) -> Subject:
    """Read a foreign set and pair it with the clean data of a recipe.

    Raises:
        DataError: not readable, not of these clean data, or no different from them.
    """
    opened = _opened(original)
    is_tensor = path.is_file() and path.suffix.lower() in tensorfile.SUFFIXES
    changed, about = _with_perturbation(path, opened) if is_tensor else _with_records(path, original, opened)
    promise, measured = measure(opened.data, changed)
    if not promise.levels:
        raise DataError(f"{_places.shown(path)}: its images are the clean ones, nothing is protected")
    random = control.uniform(opened.data.images, changed, opened.data.keys, promise)
    facts = {
        "name": _places.shown(path.absolute().name),
        "method": "foreign",
        "dataset": original.data.title or original.source,
        "foreign": about | measured,
        "settings": {"foreign": about | measured, "data": recipe.public(original)["data"]},
    }
    epsilon = promise.levels / LEVELS
    return Subject(opened.data, {"protected": changed}, run.test_data(original), epsilon, facts, random)


def _opened(original: Recipe) -> Clean:
    whole = run.open_data(replace(original, data=replace(original.data, train_samples=None)))
    data = limited(whole, original.data.train_samples, original.seed)
    part = np.arange(len(whole)) if data is whole else stratified(whole, len(data), original.seed)
    return Clean(whole, data, part)


def _with_perturbation(path: Path, clean: Clean) -> tuple[Pixels, dict[str, Any]]:
    """The clean pixels with a perturbation of all samples, of the recipe's part of them, or of the classes added."""
    levels = reading.perturbation(path, clean.data, (len(clean.whole), len(clean.data), clean.data.classes))
    rows = "class-wise" if len(levels) == clean.data.classes else "sample-wise"
    if len(levels) == len(clean.whole):
        levels = placing.picked(levels, clean.part)
    return reading.added(clean.data, levels), {"format": f"{rows} perturbation", "paired": "by order"}


def _with_records(path: Path, original: Recipe, clean: Clean) -> tuple[Pixels, dict[str, Any]]:
    """The pixels of a set as large as all clean data, of which the recipe's part is taken, or as large as that part."""
    place, kind = _places.shown(path), reading.source(path)
    found = reading.records(path, kind, clean.whole)
    everything = len(found.labels) == len(clean.whole)
    base = clean.whole if everything else clean.data
    names = None
    if pairing.file_names(found) is not None and (every := _names(original)) is not None:
        names = every if everything else [every[i] for i in clean.part]
    chosen = pairing.pair(found, pairing.labels(found, base.names, place), base, names, place)
    changed = reading.pixels(found, chosen.places, base)
    pairing.check_likeness(base, changed, chosen, place)
    kept = placing.picked(changed, clean.part) if everything and clean.data is not clean.whole else changed
    return kept, {"format": kind, "paired": chosen.how}


def _names(original: Recipe) -> list[str] | None:
    """File names of the clean samples, where their source has files; opens none of them."""
    found = registry.load("sources", original.source)(split=original.data.train, **original.source_options)
    return pairing.file_names(found)


def measure(clean: ImageDataset, changed: Pixels) -> tuple[Promise, dict[str, Any]]:
    """What the random control keeps to, and the measured change for the results.

    Noise within the largest change is a fair control only where most of the change is about as large; beside a
    set that changes a few pixels, or blurs, noise of each image's own strength is.
    """
    quality = images.quality(clean.images, changed)
    squares, norm, touched = 0.0, 0.0, 0
    for part in placing.blocks(changed, BLOCK, values=8):
        change = changed[part].astype(np.float64) - clean.images[part]
        sums = (change**2).sum(axis=(1, 2, 3))
        squares, norm = squares + float(sums.sum()), max(norm, float(np.sqrt(sums.max())) / LEVELS)
        touched += int((sums > 0).sum())
    levels, values = quality.max_levels, touched * clean.images[0].size
    filling = np.sqrt(levels * (levels + 1) / 3)
    full = np.sqrt(squares / values) >= SPARSE * filling if values else False
    promise = Promise(levels) if full else Promise(levels, norm=norm)
    measured = {
        "max_levels": levels,
        "psnr": round(quality.psnr, 2),
        "changed_share": touched / len(clean),
        "random_control": "fills the measured budget" if promise.plain else "as strong as each image's change",
    }
    return promise, measured
