"""Shared noise that every sample carries with a sign of its own, so that nothing of it is left in a class's mean.

What a class shares is a direction: a linear classifier finds it, and orthogonal projection (Sandoval-Segura et al.,
NeurIPS 2023) takes it out. With signs dealt by chance no direction tells the classes apart, while a network that looks
for a pattern and for its negative still does. An addition of ours to the published noise.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from unlearn import randomness
from unlearn.crafting.noise import Shared

if TYPE_CHECKING:
    from unlearn.crafting.problem import Problem


@dataclass(frozen=True)
class Signed:
    """Noise in pairs: row 2r is row r of `shared`, row 2r + 1 its negative."""

    shared: Shared

    @property
    def values(self) -> Tensor:
        """The rows as they are stored, one a pair."""
        return self.shared.values

    def delta(self, rows: Tensor) -> Tensor:
        return self.shared.delta(_pair(rows)) * _sign(rows)

    def encode(self, delta: Tensor) -> Tensor:
        return self.shared.encode(delta)

    def store(self, rows: Tensor, encoded: Tensor) -> None:
        self.shared.store(_pair(rows), encoded * _sign(rows))

    def levels(self) -> Tensor:
        return _pairs(self.shared.levels())

    def fine(self) -> Tensor:
        return _pairs(self.shared.fine())


def _pair(rows: Tensor) -> Tensor:
    return rows.div(2, rounding_mode="floor")


def _sign(rows: Tensor) -> Tensor:
    return (1.0 - 2.0 * (rows % 2))[:, None, None, None]


def _pairs(values: Tensor) -> Tensor:
    """Rows (R, ...) and their negatives in turns, (2R, ...)."""
    return torch.stack([values, -values], 1).flatten(0, 1)


def signed(problem: "Problem") -> "Problem":
    """The problem with two rows for every shared one, dealt to its samples by their keys.

    Rows of -1 stay; a row r becomes 2r or 2r + 1.
    """
    keys = torch.from_numpy(problem.data.keys)
    negative = randomness.uniform(problem.seed, "sign", 0, keys).numpy() < 0.5
    row = np.where(problem.row >= 0, 2 * problem.row + negative, -1).astype(np.int32)
    return replace(problem, row=row, signed=True)
