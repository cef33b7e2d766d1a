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
        import torch.nn.functional as F  # torch stays out of recipe checks

        share, partner = self._shares(draws).to(images.dtype), draws.permutation("mixup-partner")
        mixed = images.lerp(images[partner], (1 - share)[:, None, None, None])
        logits = victim(mixed)
        own, other = (F.cross_entropy(logits, target, reduction="none") for target in (labels, labels[partner]))
        return (share * own + (1 - share) * other).mean()

    def _shares(self, draws: Draws) -> Tensor:
        """Beta(alpha, alpha) draws, shape (B,), from uniform ones by the inverse distribution function."""
        import torch
        from scipy.special import betaincinv

        uniform = draws.uniform("mixup").double().cpu().numpy()
        shares = betaincinv(self.alpha, self.alpha, uniform)
        return torch.from_numpy(shares).to(draws.keys.device, torch.float32)
