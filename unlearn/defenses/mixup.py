"""Mixup. Zhang et al., ICLR 2018: convex combinations of two images and of their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.defenses import Defense

if TYPE_CHECKING:
    from torch import Tensor, nn

    from unlearn.randomness import Draws


@dataclass(frozen=True)
class Mixup(Defense):
    """Every image keeps a share drawn from Beta(alpha, alpha), the rest comes from another one of its batch."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    alpha: Annotated[float, Field(gt=0, le=100)] = 1.0

    def loss(self, victim: nn.Module, images: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        """Cross-entropy on mixed images against mixed labels, written as two cross-entropies."""
        from unlearn.defenses import _mixing  # torch stays out of recipe checks

        share, partner = self._shares(draws).to(images.dtype), draws.permutation("mixup-partner")
        mixed = images.lerp(images[partner], (1 - share)[:, None, None, None])
        return _mixing.cross_entropy(victim(mixed), labels, labels[partner], share)

    def _shares(self, draws: Draws) -> Tensor:
        """Shape (B,)."""
        from unlearn.defenses import _mixing

        return _mixing.shares(draws, "mixup", self.alpha)
