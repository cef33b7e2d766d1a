"""CutMix. Yun et al., ICCV 2019: a box of another image, and as much of its label as the box has of the area.

Deviation: the paper and its code draw one box for a batch; here every sample has its own, as mixup's shares are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.defenses import Defense
from unlearn.quantities import Share

if TYPE_CHECKING:
    from torch import Tensor, nn

    from unlearn.randomness import Draws


@dataclass(frozen=True)
class CutMix(Defense):
    """A box of an area drawn from Beta(alpha, alpha), around a center anywhere, so that part of it may fall outside.

    probability: of a sample to be mixed at all; 0.5 is what the released code takes for CIFAR, 1 for ImageNet.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    alpha: Annotated[float, Field(gt=0, le=100)] = 1.0
    probability: Share = 0.5

    def loss(self, victim: nn.Module, images: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        """Cross-entropy on mixed images against labels mixed by the area that was really replaced."""
        from unlearn.defenses import _mixing  # torch stays out of recipe checks

        box, partner = self.boxes(images, draws), draws.permutation("cutmix-partner")
        mixed = images.where(~box[:, None], images[partner])
        share = 1 - box.float().mean((1, 2))
        return _mixing.cross_entropy(victim(mixed), labels, labels[partner], share)

    def boxes(self, images: Tensor, draws: Draws) -> Tensor:
        """True inside the box, shape (B, H, W); nowhere for samples that are not mixed."""
        from unlearn.defenses import _mixing

        side = (1 - _mixing.shares(draws, "cutmix", self.alpha)).sqrt() * (
            draws.uniform("cutmix-at-all") < self.probability
        )
        return self._span(images, draws, 2, side)[:, :, None] & self._span(images, draws, 3, side)[:, None, :]

    def _span(self, images: Tensor, draws: Draws, axis: int, side: Tensor) -> Tensor:
        """True where a coordinate along `axis` is inside the box, shape (B, length); side (B,) as a share of it."""
        import torch

        length = images.shape[axis]
        extent = (side * length).long()[:, None]
        start = draws.integers(f"cutmix-{axis}", length)[:, None] - extent // 2
        place = torch.arange(length, device=images.device)
        return (place >= start) & (place < start + extent)
