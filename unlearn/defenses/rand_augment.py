"""RandAugment of training images. Cubuk et al., NeurIPS 2020: a few random operations of one strength.

Deviation: operations work on float tensors (rotation, shear and shift are bilinear with black outside, equalize is the
plain distribution function), so that pixels are not those of Pillow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.defenses import Defense
from unlearn.quantities import Positive

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.randomness import Draws

STRONGEST = 30


@dataclass(frozen=True)
class RandAugment(Defense):
    """operations: how many, one after the other; strength: 0 to 30, 9 being the usual one."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    operations: Positive = 2
    strength: Annotated[int, Field(ge=0, le=STRONGEST)] = 9

    @property
    def label(self) -> str:
        return f"rand_augment-{self.operations}-{self.strength}"

    def augment(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Every image goes through operations of its own."""
        import torch  # torch stays out of recipe checks

        from unlearn.defenses import _operations

        strength = torch.full((len(images),), self.strength / STRONGEST, device=images.device)
        for number in range(self.operations):
            images = _operations.apply(images, draws, strength, f"rand-augment-{number}")
        return images, labels
