"""A convolution of the whole image, with a kernel by row. In whole numbers, so that equal files give equal pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unlearn import randomness
from unlearn.errors import PerturbationError
from unlearn.images import Pixels
from unlearn.kinds import _rows
from unlearn.promise import Promise
from unlearn.quantities import LEVELS, whole_levels

if TYPE_CHECKING:
    from unlearn.kinds import Crafted

BLOCK = 256
UNIT = 4096  # steps of a kernel's weight in 1


@dataclass(frozen=True)
class Filtering:
    """kernel[row] * x, the same in all channels, as far as epsilon lets values go; edges repeat.

    kernel: int16 (R, S, S), in 1/UNIT, S odd; a sum of products, without turning the kernel.
    row: int32 (N,): each sample's row, or -1 for a sample that stays as it is.
    epsilon: L-infinity budget in [0, 1]; at 1 it bounds nothing.
    exposed: divide every image by its largest value afterwards.
    """

    kernel: Tensor
    row: Tensor
    epsilon: float
    exposed: bool

    def __post_init__(self) -> None:
        _rows.check(self.row, len(self.kernel))

    @property
    def promise(self) -> Promise:
        """The budget alone: a blur has no norm."""
        return Promise(whole_levels(self.epsilon))

    def apply(self, images: Tensor, index: Tensor) -> Tensor:
        """Float images in [0, 1], filtered."""
        row = self.row[index.cpu()]
        kernel = (self.kernel.to(images.dtype) / UNIT).to(images.device)
        out = _products(images, kernel[row.clamp(min=0).long().to(images.device)])
        if self.exposed:
            out = out / out.amax((1, 2, 3), keepdim=True).clamp(min=torch.finfo(out.dtype).tiny)
        limit = whole_levels(self.epsilon) / LEVELS
        out = images + (out.clamp(0.0, 1.0) - images).clamp(-limit, limit)
        return torch.where((row >= 0).to(images.device)[:, None, None, None], out, images)

    def apply_pixels(self, pixels: Pixels, index: NDArray[np.int64]) -> Pixels:
        """The same on uint8 pixels, rounded once."""
        return _rows.blockwise(pixels, index, BLOCK, lambda part, at: self._filtered(part, self.row[at]))

    def _filtered(self, pixels: Pixels, row: Tensor) -> Pixels:
        levels = torch.from_numpy(pixels).to(torch.int32)
        out = _products(levels, self.kernel[row.clamp(min=0).long()].to(torch.int32)).to(torch.int64)
        unit = out.amax((1, 2, 3), keepdim=True).clamp(min=1) if self.exposed else torch.tensor(LEVELS * UNIT)
        rounded = ((2 * LEVELS * out + unit) // (2 * unit)).clamp(0, LEVELS)
        limit = whole_levels(self.epsilon)
        out = levels + (rounded - levels).clamp(-limit, limit)
        return torch.where((row >= 0)[:, None, None, None], out, levels).to(torch.uint8).numpy()

    def control(self, pixels: Pixels, index: NDArray[np.int64], keys: NDArray[np.int64]) -> Pixels:
        """Kernels dealt to the samples at random: the same blur on the whole, without a word about labels."""
        row = torch.full((int(index.max()) + 1,), -1, dtype=torch.int32)
        drawn = randomness.integers(0, "random-control", 0, torch.from_numpy(keys), len(self.kernel))
        positions = torch.from_numpy(index)
        row[positions] = torch.where(self.row[positions] >= 0, drawn.to(torch.int32), -1)
        return Filtering(self.kernel, row, self.epsilon, self.exposed).apply_pixels(pixels, index)

    def protected(self, index: NDArray[np.int64]) -> NDArray[np.bool_]:
        """True where a sample at these positions has a kernel."""
        return _rows.protected(self.row, index)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """A kernel fits any image."""
        return True

    def on_pixels(self, shape: tuple[int, ...]) -> Filtering:
        """Itself: it works on pixels."""
        return self

    def joined(self, other: Crafted, epsilon: float) -> None:
        """The two stay two: each is rounded by itself."""
        return None

    def tensors(self) -> dict[str, Tensor]:
        """kernel and row."""
        return {"kernel": self.kernel, "row": self.row}

    def facts(self) -> dict[str, Any]:
        """The budget, and whether images are exposed anew."""
        return {"epsilon": self.epsilon, "exposed": self.exposed}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Filtering:
        """From what a file holds and says."""
        kernel = tensors["kernel"]
        square = kernel.ndim == 3 and kernel.shape[1] == kernel.shape[2] and kernel.shape[1] % 2 == 1
        if kernel.dtype != torch.int16 or not square:
            raise PerturbationError(f"kernels of type {kernel.dtype} and shape {tuple(kernel.shape)}")
        return cls(kernel, tensors["row"], float(facts["epsilon"]), bool(facts["exposed"]))


def _products(images: Tensor, kernel: Tensor) -> Tensor:
    """Each image (B, C, H, W) with its kernel (B, S, S), one shifted copy a weight; any type of number."""
    size, (height, width) = kernel.shape[1], images.shape[2:]
    rows, columns = (
        (torch.arange(side + size - 1, device=images.device) - size // 2).clamp(0, side - 1) for side in (height, width)
    )
    wide = images[:, :, rows][:, :, :, columns]
    out = torch.zeros_like(images)
    for y in range(size):
        for x in range(size):
            out += kernel[:, y, x, None, None, None] * wide[:, :, y : y + height, x : x + width]
    return out
