"""Random resized crop of training images. Szegedy et al., CVPR 2015: a box of random area and shape, enlarged.

Deviation: a side that would be longer than the image is cut to it, where torchvision draws up to ten times anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ConfigDict

from unlearn.defenses import Defense
from unlearn.quantities import Share

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.randomness import Draws


@dataclass(frozen=True)
class RandomResizedCrop(Defense):
    """smallest: the least share of the area; 0.08 is usual for ImageNet, 0.2 for images of 32 pixels."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    smallest: Share = 0.2

    @property
    def label(self) -> str:
        return f"random_resized_crop-{self.smallest:g}"

    def augment(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Cut out a box of each image and enlarge it to the old size."""
        from unlearn.defenses import _warping  # torch stays out of recipe checks

        return _warping.resized_crop(images, draws, self.smallest).clamp(0.0, 1.0), labels
