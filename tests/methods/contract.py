"""What every method must keep, on data that train in seconds; each method's test calls it."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from conftest import make_dataset

from unlearn.crafting.problem import ROWS, Embedder, Problem
from unlearn.crafting.schedule import Schedule, Surrogate
from unlearn.datasets import ImageDataset
from unlearn.pgd import PGD
from unlearn.settings import Training

SMALL = {
    "pgd": PGD(2 / 255, 3),
    "schedule": Schedule(train_steps=5, batch_size=32, pgd_batch_size=30, max_rounds=4, stop_error=0.0),
    "pretrain": Training(epochs=2, batch_size=32, augment=()),
}


def small(method: Any) -> Any:
    """The method with settings that take seconds."""
    return replace(method, **{name: value for name, value in SMALL.items() if hasattr(method, name)})


def problem(data: ImageDataset, rows: str, epsilon: float = 8 / 255, seed: int = 0) -> Problem:
    """All samples, the small CNN, two random embedders."""
    row = ROWS[rows](data.labels, np.ones(len(data), dtype=bool))
    return Problem(data, row, epsilon, Surrogate("small_cnn"), seed, embedders=(embedder(0), embedder(1)))


def embedder(seed: int, features: int = 32) -> Embedder:
    """A fixed random network from canvases (B, 3, S, S) to unit features (B, features)."""
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(16, 3, 5, 5, generator=generator) / 75**0.5
    second = torch.randn(16, 16, 3, 3, generator=generator) / 144**0.5
    last = torch.randn(features, 16 * 9, generator=generator) / 12

    def embed(canvases: torch.Tensor) -> torch.Tensor:
        maps = torch.tanh(9 * F.conv2d(canvases - 0.5, first, stride=2))
        maps = F.adaptive_avg_pool2d(torch.tanh(3 * F.conv2d(maps, second)), 3)
        return F.normalize(maps.flatten(1) @ last.T, dim=1)

    return embed


def check(method: Any, rows: str, epsilon: float = 8 / 255, channels: int = 3) -> Any:
    """Budget on saved pixels, range, labels untouched, determinism, another order."""
    data = make_dataset(72, channels=channels, contrast=20)
    before, labels = data.images.copy(), data.labels.copy()
    made = small(method).craft(problem(data, rows, epsilon))
    pixels = made.apply_pixels(data.images, np.arange(len(data)))
    assert pixels.dtype == np.uint8
    assert 0 < np.abs(pixels.astype(int) - before).max() <= round(epsilon * 255)
    assert np.array_equal(data.images, before)
    assert np.array_equal(data.labels, labels)
    assert not [p for pair in zip(before, pixels, strict=True) for p in made.promise.broken(*pair)]
    same = small(method).craft(problem(data, rows, epsilon))
    assert np.array_equal(same.apply_pixels(data.images, np.arange(len(data))), pixels)
    order = np.random.default_rng(0).permutation(len(data))
    again = small(method).craft(problem(data.take(order), rows, epsilon))
    assert np.array_equal(again.apply_pixels(data.images[order], np.arange(len(data))), pixels[order])
    return made
