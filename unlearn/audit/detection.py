"""Detection: how well simple models tell protected images from clean ones. Nobody can promise undetectable noise.

A detector is trained on the clean and the protected version of one half of the samples, and tested on both versions
of the other half: no image is seen in training whose other version is in the test. Both halves hold every class alike,
and both kinds as often, so that guessing gives 50 %. The same is done with the control, random noise against clean.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unlearn import placing, randomness, schema, training
from unlearn.audit import residuals
from unlearn.audit.cells import Bench
from unlearn.audit.plan import AuditPlan
from unlearn.images import Pixels
from unlearn.settings import SGD, Training
from unlearn.training import Batches

SAMPLES = 10_000  # more of them hardly change the figure, and cost time
FEWEST = 20  # changed samples; below, the unchanged ones count too
LEAST = 120  # steps of a network: after fewer, batch normalization still counts what it saw at the start
BLOCK = 2048
TRAINING = Training(epochs=8, batch_size=64, sgd=SGD(lr=0.05, clip=1.0), augment=())


@dataclass(frozen=True)
class Halves:
    """Images to learn from and to test on, labels being 1 for the changed versions; shapes as in Batches."""

    train: Batches
    test: Batches


@dataclass(frozen=True)
class Trial:
    """Coordinates of one detector's training."""

    detector: str
    train_on: str
    seed: int

    @property
    def facts(self) -> dict[str, Any]:
        """The coordinates as they stand in results.json."""
        return {"detector": self.detector, "train_on": self.train_on, "seed": self.seed}


def trials(sets: Iterable[str], plan: AuditPlan) -> list[Trial]:
    """Every detector on every set but the clean one; none where the plan does not ask for detection."""
    changed = [name for name in sets if name != "clean"] if plan.detection else []
    return [Trial(detector, name, seed) for detector in DETECTORS for name in changed for seed in plan.victim_seeds]


def run(trial: Trial, bench: Bench) -> dict[str, Any]:
    """Train and test a detector; a row of `detection` in results.json. `n` counts the images of the test."""
    started = time.monotonic()
    halves = _halves(bench, bench.sets[trial.train_on], trial.seed)
    accuracy = DETECTORS[trial.detector](halves, trial.seed, bench.precision)
    seconds = round(time.monotonic() - started, 2)
    return {**trial.facts, "accuracy": accuracy, "n": len(halves.test.labels), "seconds": seconds}


def settings(trial: Trial, digests: Mapping[str, str]) -> dict[str, Any]:
    """Everything that decides a trial's result; its cache key."""
    images = [digests["clean"], digests[trial.train_on]]
    return {**trial.facts, "images": images, "samples": SAMPLES, "training": schema.plain(TRAINING), "least": LEAST}


def _halves(bench: Bench, pixels: Pixels, seed: int) -> Halves:
    clean = bench.clean
    chosen = _changed(clean.images, pixels)
    order = randomness.permutation(seed, "detection", 0, torch.from_numpy(clean.keys[chosen])).numpy()[:SAMPLES]
    drawn = chosen[order]
    by_class = drawn[np.argsort(clean.labels[drawn], kind="stable")]
    return Halves(*(_versions(bench, pixels, by_class[start::2]) for start in (0, 1)))


def _changed(clean: Pixels, pixels: Pixels) -> NDArray[np.int64]:
    """Positions of the samples that were changed, or of all where there are hardly any."""
    found = np.concatenate([(clean[i] != pixels[i]).any(axis=(1, 2, 3)) for i in placing.blocks(clean, BLOCK)])
    return np.flatnonzero(found) if found.sum() >= FEWEST else np.arange(len(clean))


def _versions(bench: Bench, pixels: Pixels, index: NDArray[np.int64]) -> Batches:
    """The clean versions, then the others. Versions of a sample share its key, and so come in the same batch."""
    images = np.concatenate([bench.clean.images[index], pixels[index]])
    labels = np.repeat(np.arange(2), len(index))
    parts = (images, labels, np.tile(bench.clean.keys[index], 2))
    return Batches(*(torch.from_numpy(part).to(bench.device) for part in parts))


def _network(name: str) -> Callable[[Halves, int, torch.dtype], float]:
    def detect(halves: Halves, seed: int, precision: torch.dtype) -> float:
        device = halves.train.images.device
        network = training.build(name, 2, tuple(halves.train.images.shape[1:]), seed).to(device)
        training.train(network, halves.train, _long_enough(len(halves.train.labels)), seed, precision=precision)
        return training.accuracy(network, halves.test.images, halves.test.labels)

    return detect


def _long_enough(images: int) -> Training:
    steps = ceil(images / TRAINING.batch_size)
    return replace(TRAINING, epochs=max(TRAINING.epochs, ceil(LEAST / steps)))


def _residuals(halves: Halves, seed: int, precision: torch.dtype) -> float:
    """Logistic regression on statistics of residuals; nothing about it is random."""
    train, test = (residuals.statistics(half.images) for half in (halves.train, halves.test))
    scores = residuals.fitted(train, halves.train.labels.cpu())(test)
    return float(((scores > 0) == (halves.test.labels.cpu() == 1)).double().mean())


DETECTORS: dict[str, Callable[[Halves, int, torch.dtype], float]] = {
    "linear_pixels": _network("linear"),
    "linear_residuals": _residuals,
    "small_cnn": _network("small_cnn"),
}
