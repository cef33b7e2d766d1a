"""Pixels that are replaced by colors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unlearn import control
from unlearn.errors import PerturbationError
from unlearn.images import Pixels
from unlearn.kinds import _rows
from unlearn.promise import Promise
from unlearn.quantities import LEVELS, whole_levels

if TYPE_CHECKING:
    from unlearn.kinds import Crafted

BLOCK = 4096


@dataclass(frozen=True)
class Replacing:
    """x with the pixels `place[row]` set to `color[row]`, as far as epsilon lets them go.

    place: int32 (R, K), each pixel's number in reading order, y * width + x; K different ones in a row.
    color: uint8 (R, K, C), levels of 255.
    row: int32 (N,): each sample's row, or -1 for a sample that stays as it is.
    epsilon: L-infinity budget in [0, 1]; at 1, a pixel takes its color wholly.
    """

    place: Tensor
    color: Tensor
    row: Tensor
    epsilon: float

    def __post_init__(self) -> None:
        _rows.check(self.row, len(self.place))
        if self.place.numel() and int(self.place.min()) < 0:
            raise PerturbationError(f"pixel number {int(self.place.min())}")

    @property
    def promise(self) -> Promise:
        """So many pixels of an image change, within the budget."""
        return Promise(whole_levels(self.epsilon), pixels=int(self.place.shape[1]))

    def apply(self, images: Tensor, index: Tensor) -> Tensor:
        """Float images in [0, 1] with their pixels replaced."""
        row = self.row[index.cpu()].long()
        place = self._place(row, images.shape[1]).to(images.device)
        flat = images.flatten(2)
        old = flat.gather(2, place)
        color = self.color[row.clamp(min=0)].transpose(1, 2).to(images.device, images.dtype) / LEVELS
        limit = whole_levels(self.epsilon) / LEVELS
        kept = (row >= 0).to(images.device, images.dtype)[:, None, None]
        new = old + (color - old).clamp(-limit, limit) * kept
        return flat.scatter(2, place, new).reshape(images.shape)

    def _place(self, row: Tensor, channels: int) -> Tensor:
        """Pixel numbers (B, C, K), the same in all channels."""
        return self.place[row.clamp(min=0)].long()[:, None].expand(-1, channels, -1)

    def apply_pixels(self, pixels: Pixels, index: NDArray[np.int64]) -> Pixels:
        """The same on uint8 pixels, without any rounding."""
        return _rows.blockwise(pixels, index, BLOCK, self._replaced)

    def _replaced(self, pixels: Pixels, index: Tensor) -> Pixels:
        row = self.row[index].long()
        flat = torch.from_numpy(pixels.copy()).flatten(2)
        place = self._place(row, flat.shape[1])
        old = flat.gather(2, place).to(torch.int16)
        limit = whole_levels(self.epsilon)
        change = (self.color[row.clamp(min=0)].transpose(1, 2).to(torch.int16) - old).clamp(-limit, limit)
        new = (old + change * (row >= 0)[:, None, None]).to(torch.uint8)
        return np.asarray(flat.scatter(2, place, new).reshape(pixels.shape).numpy())

    def control(self, pixels: Pixels, index: NDArray[np.int64], keys: NDArray[np.int64]) -> Pixels:
        """Noise of the same size in as many pixels, elsewhere in every image."""
        return control.uniform(pixels, self.apply_pixels(pixels, index), keys, self.promise)

    def protected(self, index: NDArray[np.int64]) -> NDArray[np.bool_]:
        """True where a sample at these positions has pixels to replace."""
        return _rows.protected(self.row, index)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether all places are inside, and colors have as many channels."""
        channels, height, width = shape
        inside = not self.place.numel() or int(self.place.max()) < height * width
        return inside and self.color.shape[2] == channels

    def on_pixels(self, shape: tuple[int, ...]) -> Replacing:
        """Itself: places are pixels."""
        return self

    def joined(self, other: Crafted, epsilon: float) -> None:
        """The two stay two: the order counts."""
        return None

    def tensors(self) -> dict[str, Tensor]:
        """place, color and row."""
        return {"place": self.place, "color": self.color, "row": self.row}

    def facts(self) -> dict[str, Any]:
        """The budget."""
        return {"epsilon": self.epsilon}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Replacing:
        """From what a file holds and says."""
        place, color = tensors["place"], tensors["color"]
        known = (place.dtype, color.dtype) == (torch.int32, torch.uint8) and (place.ndim, color.ndim) == (2, 3)
        if not known or place.shape != color.shape[:2]:
            raise PerturbationError(
                f"places {place.dtype} {tuple(place.shape)}, colors {color.dtype} {tuple(color.shape)}"
            )
        return cls(place, color, tensors["row"], float(facts["epsilon"]))
