"""Cutout. DeVries and Taylor, 2017: a square of zeros at a random place of every training image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ConfigDict

from unlearn.defenses import Defense
from unlearn.quantities import Positive

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.randomness import Draws


@dataclass(frozen=True)
class Cutout(Defense):
    """`size` pixels a side; the center may lie anywhere in the image, so that part of the square may fall outside."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    size: Positive = 16

    def augment(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Zero a square in each image."""
        hidden = self._span(images, draws, 2)[:, :, None] & self._span(images, draws, 3)[:, None, :]
        return images.masked_fill(hidden[:, None], 0.0), labels

    def _span(self, images: Tensor, draws: Draws, axis: int) -> Tensor:
        """True where a coordinate along `axis` is inside the square, shape (B, length)."""
        import torch  # torch stays out of recipe checks

        length = images.shape[axis]
        start = draws.integers(f"cutout-{axis}", length)[:, None] - self.size // 2
        place = torch.arange(length, device=images.device)
        return (place >= start) & (place < start + self.size)
