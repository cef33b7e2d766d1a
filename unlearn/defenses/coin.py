"""COIN. Li et al., AAAI 2025, after Wang et al., 2023: every pixel of a training image is taken from near its place.

A random offset for each pixel, the same for all channels, drawn uniformly from (-alpha, alpha) pixels in both
directions, with bilinear interpolation and edges that wrap around; drawn anew in every epoch, as the released code
does, after crop and flip. Meant against shortcuts that are convolutions, such as CUDA.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.defenses import Defense

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.randomness import Draws


@dataclass(frozen=True)
class COIN(Defense):
    """alpha: the largest offset in pixels; the paper takes 2 for CIFAR."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    alpha: Annotated[float, Field(gt=0, le=32)] = 2.0

    @property
    def label(self) -> str:
        return f"coin-{self.alpha:g}"

    def augment(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Interpolate between the four pixels around each place."""
        import torch  # torch stays out of recipe checks

        size = tuple(images.shape[2:])
        places = []
        for name, length, view in (("y", size[0], (1, -1, 1)), ("x", size[1], (1, 1, -1))):
            offset = self.alpha * (2 * draws.uniform(f"coin-{name}", size) - 1)
            places.append(torch.arange(length, device=images.device).view(view) + offset)
        (top, down), (left, right) = ((p.floor(), p - p.floor()) for p in places)
        rows, columns = top.long(), left.long()
        out = torch.zeros_like(images)
        for row, tall in ((rows, 1 - down), (rows + 1, down)):
            for column, wide in ((columns, 1 - right), (columns + 1, right)):
                out += _taken(images, row % size[0], column % size[1]) * (tall * wide)[:, None]
        return out.clamp(0.0, 1.0), labels


def _taken(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The pixels at rows and columns (B, H, W), shape (B, C, H, W)."""
    place = (rows * images.shape[3] + columns).flatten(1)[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, place).reshape(images.shape)
