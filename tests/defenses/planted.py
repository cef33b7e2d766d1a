"""Protections that are easy to see through, planted so that a defense known to break them must do it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from conftest import make_dataset
from numpy.typing import NDArray

from unlearn.audit import cells as grid
from unlearn.audit.cells import Bench, Cell
from unlearn.audit.plan import AuditPlan
from unlearn.datasets import ImageDataset
from unlearn.defenses import Defense
from unlearn.settings import SGD, Training

Pixels = NDArray[np.uint8]
Plant = Callable[[ImageDataset], Pixels]
TRAINING = Training(epochs=10, batch_size=20, sgd=SGD(lr=0.05, clip=1.0), augment=())
TRAIN, TEST = make_dataset(120, contrast=14), make_dataset(150, contrast=14, seed=5)


def _added(data: ImageDataset, patterns: NDArray[Any]) -> Pixels:
    return (data.images + patterns[data.labels].astype(int)).clip(0, 255).astype(np.uint8)


def tint(data: ImageDataset) -> Pixels:
    """A color of its own for every class, all over the image."""
    colors = np.array([[24, -24, 0], [-24, 0, 24], [0, 24, -24]])
    return _added(data, colors[:, :, None, None])


def chroma(data: ImageDataset) -> Pixels:
    """Stripes of color without a change of luma."""
    stripes = np.where(np.arange(16) // 4 % 2, 1, -1)
    directions = (stripes[None, :], stripes[:, None], stripes[None, :] * stripes[:, None])
    color = np.array([40.0, -40 * 0.299 / 0.587, 0.0])[:, None, None]
    return _added(data, np.stack([color * np.broadcast_to(d, (16, 16)) for d in directions]).round())


def pixel(data: ImageDataset) -> Pixels:
    """One white pixel, at another place for every class."""
    out = data.images.copy()
    for label, (row, column) in enumerate(((4, 4), (8, 8), (12, 4))):
        out[data.labels == label, :, row, column] = 255
    return out


def patches(data: ImageDataset) -> Pixels:
    """Squares of four pixels, lighter or darker, in a pattern for each class."""
    signs = np.random.default_rng(0).choice([-20, 20], (3, 3, 4, 4))
    return _added(data, signs.repeat(4, 2).repeat(4, 3))


def grain(data: ImageDataset) -> Pixels:
    """Stripes as fine as pixels: upright, level, or a checkerboard."""
    rows, columns = np.indices((16, 16))
    fine = np.stack([1 - 2 * (part % 2) for part in (rows, columns, rows + columns)])
    return _added(data, 16 * fine[:, None].repeat(3, 1))


def bench(plant: Plant, **changes: Any) -> Bench:
    """The small CNN for seconds."""
    plan = AuditPlan(victims=("small_cnn",), seeds=1, training=replace(TRAINING, **changes))
    sets = {"clean": TRAIN.images, "protected": plant(TRAIN)}
    return Bench(TRAIN, sets, TEST, plan, torch.device("cpu"), torch.float32)


def reached(defense: Defense, plant: Plant, train_on: str = "protected", **changes: Any) -> float:
    """Clean test accuracy after training under a defense."""
    row = grid.run(Cell(train_on, defense, "small_cnn", 0), bench(plant, **changes), lambda epoch: None)
    return float(row["clean_test_accuracy"])
