"""Noise on a coarse grid that stretches smoothly over images of any size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unlearn import placing
from unlearn.errors import PerturbationError
from unlearn.interpolation import spline_weights
from unlearn.perturbation import Additive
from unlearn.quantities import FINE, LEVELS, whole_levels

if TYPE_CHECKING:
    from unlearn.kinds import Crafted

BLOCK = 256


@dataclass(frozen=True)
class Stretched:
    """x + spline(delta[row]), clipped to [0, 1].

    delta: int16, steps of 1/FINE of a level, shape (R, C, S, S), C being 1 for the same noise in all channels.
    row: int32, shape (N,): each sample's row of delta, or -1 for a sample that stays as it is.
    epsilon: L-infinity budget in [0, 1].
    """

    delta: Tensor
    row: Tensor
    epsilon: float

    def __post_init__(self) -> None:
        limit = self.epsilon * LEVELS * FINE
        largest = max(abs(int(self.delta.min())), abs(int(self.delta.max()))) if self.delta.numel() else 0
        if largest > limit + 0.5:
            raise PerturbationError(f"delta reaches {largest / FINE:g} levels, the budget is {limit / FINE:g}")

    def rendered(self, rows: Tensor, height: int, width: int) -> Tensor:
        """float32 levels of 255, shape (B, C, height, width), for rows (B,) of delta."""
        tall, wide = (torch.from_numpy(spline_weights(size, self.delta.shape[-1])) for size in (height, width))
        return tall @ (self.delta[rows].float() / FINE) @ wide.T

    def apply(self, images: Tensor, index: Tensor) -> Tensor:
        """Float images (B, C, H, W) in [0, 1] plus their noise, clipped to [0, 1]."""
        row = self.row[index.cpu()].long()
        noise = self.rendered(row.clamp(min=0), *images.shape[2:]) * (row >= 0)[:, None, None, None]
        return (images + noise.to(images.device, images.dtype) / LEVELS).clamp(0.0, 1.0)

    def on_pixels(self, shape: tuple[int, ...]) -> Additive:
        """The same noise in whole levels for images of shape (C, H, W)."""
        limit = whole_levels(self.epsilon)
        levels = placing.tensor((len(self.delta), *shape), torch.int8 if limit <= 127 else torch.int16)
        for part in placing.blocks(levels, BLOCK, values=4):
            rows = torch.arange(part.start, part.stop)
            levels[part] = self.rendered(rows, *shape[1:]).round().clamp(-limit, limit)
        return Additive(levels, self.row, self.epsilon)

    def joined(self, other: Crafted, epsilon: float) -> Stretched | None:
        """The sum on the grid, clipped to epsilon, where both have the same grid and rows."""
        if not isinstance(other, Stretched) or self.delta.shape != other.delta.shape:
            return None
        if not torch.equal(self.row, other.row):
            return None
        limit = int(epsilon * LEVELS * FINE + 1e-6)
        return Stretched((self.delta.int() + other.delta).clamp(-limit, limit).to(torch.int16), self.row, epsilon)
