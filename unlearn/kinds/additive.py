"""Noise that is added to the pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unlearn import control, placing
from unlearn.errors import PerturbationError
from unlearn.images import Pixels
from unlearn.kinds import _rows
from unlearn.promise import SLACK, Promise
from unlearn.quantities import LEVELS, whole_levels

if TYPE_CHECKING:
    from unlearn.kinds import Crafted

BLOCK = 4096


@dataclass(frozen=True)
class Additive:
    """x + delta[row], clipped to [0, 1].

    delta: int8 levels of 1/255 (int16 for budgets above 127 levels), shape (R, C, H, W), within whole_levels(epsilon).
    row: int32, shape (N,): each sample's row of delta, or -1 for a sample that stays as it is.
    epsilon: L-infinity budget in [0, 1].
    norm: L2 budget of a row, values in [0, 1], for methods that have one; None for none.
    """

    delta: Tensor
    row: Tensor
    epsilon: float
    norm: float | None = None

    def __post_init__(self) -> None:
        limit = whole_levels(self.epsilon)
        largest = max(abs(int(self.delta.min())), abs(int(self.delta.max()))) if self.delta.numel() else 0
        if largest > limit:
            raise PerturbationError(f"delta reaches {largest} levels, the budget is {limit}")
        if self.norm is not None and (longest := _longest(self.delta)) > self.norm * (1 + SLACK):
            raise PerturbationError(f"delta reaches an L2 norm of {longest:.4g}, the budget is {self.norm:.4g}")
        _rows.check(self.row, len(self.delta))

    @property
    def promise(self) -> Promise:
        """Levels of the budget, and the norm where there is one."""
        return Promise(whole_levels(self.epsilon), norm=self.norm)

    def levels(self, index: Tensor) -> Tensor:
        """int8 levels for samples at positions `index`, shape (B, C, H, W); zero where row is -1."""
        row = self.row[index].long()
        chosen = self.delta[row.clamp(min=0)]
        return chosen * (row >= 0).to(chosen.dtype)[:, None, None, None]

    def apply(self, images: Tensor, index: Tensor) -> Tensor:
        """Float images in [0, 1] plus their noise, clipped to [0, 1]."""
        noise = self.levels(index.cpu()).to(images.device, images.dtype)
        return (images + noise / LEVELS).clamp(0.0, 1.0)

    def apply_pixels(self, pixels: Pixels, index: NDArray[np.int64]) -> Pixels:
        """The same on uint8 pixels, without any rounding: levels are whole, so the budget holds exactly."""
        return _rows.blockwise(pixels, index, BLOCK, self._added)

    def _added(self, pixels: Pixels, index: Tensor) -> Pixels:
        return (pixels + self.levels(index).numpy().astype(np.int16)).clip(0, LEVELS).astype(np.uint8)

    def control(self, pixels: Pixels, index: NDArray[np.int64], keys: NDArray[np.int64]) -> Pixels:
        """Uniform noise of the same budget, or of the same norm where there is one."""
        return control.uniform(pixels, self.apply_pixels(pixels, index), keys, self.promise)

    def protected(self, index: NDArray[np.int64]) -> NDArray[np.bool_]:
        """True where a sample at these positions is changed."""
        return _rows.protected(self.row, index)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether delta is of this shape."""
        return tuple(self.delta.shape[1:]) == tuple(shape)

    def on_pixels(self, shape: tuple[int, ...]) -> Additive:
        """Itself: this noise lives on the pixels of its images."""
        return self

    def joined(self, other: Crafted, epsilon: float) -> Additive | None:
        """The sum, clipped to epsilon, where both have the same rows."""
        if not isinstance(other, Additive) or not torch.equal(self.row, other.row):
            return None
        limit = whole_levels(epsilon)
        levels = placing.tensor(self.delta.shape, torch.int8 if limit <= 127 else torch.int16)
        for part in placing.blocks(levels, values=2):
            levels[part] = (self.delta[part].to(torch.int16) + other.delta[part]).clamp(-limit, limit)
        norm = None if self.norm is None or other.norm is None else self.norm + other.norm
        return Additive(levels, self.row, epsilon, norm)

    def tensors(self) -> dict[str, Tensor]:
        """delta and row."""
        return {"delta": self.delta, "row": self.row}

    def facts(self) -> dict[str, Any]:
        """The budgets."""
        return {"epsilon": self.epsilon} | ({} if self.norm is None else {"norm": self.norm})

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Additive:
        """From what a file holds and says."""
        delta, norm = tensors["delta"], facts.get("norm")
        if delta.dtype not in (torch.int8, torch.int16) or delta.ndim != 4:
            raise PerturbationError(f"delta of type {delta.dtype} and shape {tuple(delta.shape)}")
        return cls(delta, tensors["row"], float(facts["epsilon"]), None if norm is None else float(norm))


def _longest(delta: Tensor) -> float:
    """The largest L2 norm of a row (R, C, H, W), values in [0, 1]; exact sums of squares of levels."""
    parts = (delta[part].double().flatten(1) for part in placing.blocks(delta, values=8))
    squares = [float(part.square().sum(1).max()) for part in parts]
    return max(squares, default=0.0) ** 0.5 / LEVELS
