"""Defenses, that is what somebody who wants to train anyway may do: one file each.

Torch-free, so that recipes are checked without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

    from unlearn.randomness import Draws


class Defense:
    """Three hooks, each the identity unless overridden; a defense is a frozen dataclass of its settings."""

    @property
    def label(self) -> str:
        """Its name in tables, with the setting that matters, such as `jpeg-75`."""
        return type(self).__module__.rpartition(".")[2]

    def purify(self, images: Tensor) -> Tensor:
        """Once before training, on training and test images alike; uint8 (N, C, H, W) in and out."""
        return images

    def augment(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Every training batch: float images (B, C, H, W) in [0, 1] and labels (B,), or (B, K) as shares."""
        return images, labels

    def loss(self, victim: nn.Module, images: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        """The loss of a training batch."""
        from unlearn.training import cross_entropy  # torch stays out of recipe checks

        return cross_entropy(victim, images, labels, draws)
