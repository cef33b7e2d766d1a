"""Several perturbations, one after the other, within one budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unlearn import kinds, placing, registry
from unlearn.errors import PerturbationError
from unlearn.images import Pixels
from unlearn.promise import Promise
from unlearn.quantities import LEVELS, whole_levels

if TYPE_CHECKING:
    from unlearn.kinds import Crafted, Perturbation


@dataclass(frozen=True)
class Sequence:
    """Each part on what the part before it made; the whole is clipped to epsilon around the clean images.

    parts: at least one, for the same samples. epsilon: L-infinity budget in [0, 1].
    """

    parts: tuple[Perturbation, ...]
    epsilon: float

    def __post_init__(self) -> None:
        counts = {len(part.row) for part in self.parts}
        if len(counts) != 1:
            raise PerturbationError(f"parts for {' and '.join(map(str, sorted(counts))) or 'no'} samples")

    @property
    def row(self) -> Tensor:
        """The largest of the parts' rows: -1 only where no part changes a sample."""
        return torch.stack([part.row for part in self.parts]).amax(0)

    @property
    def promise(self) -> Promise:
        """What the parts promise together."""
        each = [part.promise for part in self.parts]
        levels = min(whole_levels(self.epsilon), sum(part.levels for part in each))
        pixels = [part.pixels for part in each if part.pixels is not None]
        norms = [part.norm for part in each if part.norm is not None]
        return Promise(
            levels,
            sum(pixels) if len(pixels) == len(each) else None,
            sum(norms) if len(norms) == len(each) else None,
        )

    def apply(self, images: Tensor, index: Tensor) -> Tensor:
        """Float images in [0, 1] after all parts."""
        out, limit = images, whole_levels(self.epsilon) / LEVELS
        for part in self.parts:
            out = part.apply(out, index)
        return images + (out - images).clamp(-limit, limit)

    def apply_pixels(self, pixels: Pixels, index: NDArray[np.int64]) -> Pixels:
        """The same on uint8 pixels, each part rounded by itself."""
        out = pixels
        for part in self.parts:
            out = part.apply_pixels(out, index)
        return self._within(pixels, out)

    def _within(self, pixels: Pixels, out: Pixels) -> Pixels:
        limit, found = whole_levels(self.epsilon), placing.zeros(pixels.shape, np.uint8)
        for part in placing.blocks(pixels):
            low, high = np.maximum(pixels[part], limit) - limit, np.minimum(pixels[part], LEVELS - limit) + limit
            found[part] = out[part].clip(low, high)
        return found

    def control(self, pixels: Pixels, index: NDArray[np.int64], keys: NDArray[np.int64]) -> Pixels:
        """The parts' controls, one after the other."""
        out = pixels
        for part in self.parts:
            out = part.control(out, index, keys)
        return self._within(pixels, out)

    def protected(self, index: NDArray[np.int64]) -> NDArray[np.bool_]:
        """True where any part changes a sample."""
        return np.any([part.protected(index) for part in self.parts], axis=0)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether all parts do."""
        return all(part.fits(shape) for part in self.parts)

    def on_pixels(self, shape: tuple[int, ...]) -> Sequence:
        """All parts on pixels."""
        return Sequence(tuple(part.on_pixels(shape) for part in self.parts), self.epsilon)

    def joined(self, other: Crafted, epsilon: float) -> None:
        """The two stay two."""
        return None

    def tensors(self) -> dict[str, Tensor]:
        """The parts' tensors as `0.delta`, `1.kernel`."""
        found = ((f"{i}.{name}", t) for i, part in enumerate(self.parts) for name, t in part.tensors().items())
        return {name: t.clone() if t.ndim == 1 else t for name, t in found}  # a file may not hold shared memory twice

    def facts(self) -> dict[str, Any]:
        """The budget, and the parts' kinds and facts."""
        return {
            "epsilon": self.epsilon,
            "parts": [{"kind": kinds.name_of(part), **part.facts()} for part in self.parts],
        }

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Sequence:
        """From what a file holds and says."""
        parts = []
        for i, each in enumerate(facts["parts"]):
            mine = {name.partition(".")[2]: t for name, t in tensors.items() if name.partition(".")[0] == str(i)}
            parts.append(registry.load("kinds", str(each["kind"])).of(mine, each))
        return cls(tuple(parts), float(facts["epsilon"]))
