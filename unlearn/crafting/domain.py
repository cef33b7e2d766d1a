"""Where noise lives: on every pixel, or on a coarse grid that is stretched smoothly over the image.

A grid keeps the noise in a band that survives resizing and compression, costs few bytes in a file, and fits an
image of any size. Torch-free until it is used, because recipes name it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Protocol

from pydantic import ConfigDict, Field

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from unlearn.crafting.noise import Noise
    from unlearn.perturbation import Additive
    from unlearn.stretched import Stretched


class Domain(Protocol):
    """What the loop asks of the place where noise lives; `held` is noise there, shape (B, *self.shape)."""

    def shape(self, image: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of one row of noise for images of shape (C, H, W)."""
        ...

    def noisy(self, images: Tensor, held: Tensor) -> Tensor:
        """Images (B, C, H, W) with their noise, differentiable in `held`."""
        ...

    def project(self, held: Tensor, images: Tensor, epsilon: float) -> Tensor:
        """Back into the budget; images (B, C, H, W) in [0, 1]."""
        ...

    def perturbation(self, noise: Noise, row: Tensor, epsilon: float) -> Additive | Stretched:
        """The finished perturbation; row (N,) int32."""
        ...


@dataclass(frozen=True)
class EveryPixel:
    """A value of its own for every pixel and channel, as in the papers."""

    def shape(self, image: tuple[int, ...]) -> tuple[int, ...]:
        """(C, H, W)."""
        return image

    def noisy(self, images: Tensor, held: Tensor) -> Tensor:
        """The sum; `project` has kept it within [0, 1]."""
        return images + held

    def project(self, held: Tensor, images: Tensor, epsilon: float) -> Tensor:
        """Clip to the budget and to real pixels."""
        from unlearn import pgd

        return pgd.project(held, images, epsilon)

    def perturbation(self, noise: Noise, row: Tensor, epsilon: float) -> Additive | Stretched:
        """Whole levels for every pixel."""
        from unlearn.perturbation import Additive

        return Additive(noise.levels(), row, epsilon)


@dataclass(frozen=True)
class Band:
    """A grid of `cells` x `cells` values, interpolated by cubic B-splines over the whole image.

    luma: one value for all channels, which keeps gray images gray and survives grayscale and chroma subsampling.
    window: remove what is wider than so many cells, which would show as a tint and goes when a trainer normalizes
        or jitters colors; None keeps it.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    cells: Annotated[int, Field(ge=2, le=512)] = 64
    luma: bool = True
    window: Annotated[int, Field(ge=2, le=512)] | None = None

    def shape(self, image: tuple[int, ...]) -> tuple[int, ...]:
        """(1 or C, cells, cells)."""
        return (1 if self.luma else image[0], self.cells, self.cells)

    def noisy(self, images: Tensor, held: Tensor) -> Tensor:
        """The sum with the grid stretched over (H, W), for all channels, clipped to [0, 1]."""
        tall, wide = (self._weights(size, held.device) for size in images.shape[2:])
        return (images + tall @ held @ wide.T).clamp(0.0, 1.0)

    def _weights(self, size: int, device: torch.device) -> Tensor:
        import torch

        from unlearn.interpolation import spline_weights

        return torch.from_numpy(spline_weights(size, self.cells)).to(device)

    def project(self, held: Tensor, images: Tensor, epsilon: float) -> Tensor:
        """Clip to the budget; interpolation stays within it, and images are clipped where they are shown."""
        if self.window is not None:
            held = held - _local_mean(held, self.window)
        return held.clamp(-epsilon, epsilon)

    def perturbation(self, noise: Noise, row: Tensor, epsilon: float) -> Additive | Stretched:
        """The grid, in fine steps of a level."""
        from unlearn.stretched import Stretched

        return Stretched(noise.fine(), row, epsilon)


def _local_mean(held: Tensor, window: int) -> Tensor:
    """The mean over a square of cells around each cell; at the border over those that there are."""
    import torch
    import torch.nn.functional as F

    side = window | 1  # odd, so that the cell is in the middle

    def pooled(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, side, 1, side // 2)

    return pooled(held) / pooled(torch.ones_like(held[:1, :1]))
