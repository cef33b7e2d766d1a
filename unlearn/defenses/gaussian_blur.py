"""Gaussian blur of training and test images.

APBench and the code of ISS set sigma to 0.1 pixels, which leaves every pixel as it is (its neighbor's weight is e^-50):
their column is the one without a defense. Here sigma is one pixel and the window reaches three sigma.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.defenses import Defense

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GaussianBlur(Defense):
    """sigma: in pixels; below 0.3 or so nothing is left of the blur once pixels are rounded."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    sigma: Annotated[float, Field(ge=0.3, le=20)] = 1.0

    @property
    def label(self) -> str:
        return f"gaussian_blur-{self.sigma:g}"

    def purify(self, images: Tensor) -> Tensor:
        """Blur every image; at the border the window is cut and renormalized."""
        import torch  # torch stays out of recipe checks

        from unlearn.crafting.blurring import blurred
        from unlearn.defenses import _pixels

        def blur(part: Tensor) -> Tensor:
            sigma = torch.full((len(part),), self.sigma, device=part.device)
            return blurred(part, sigma, ceil(3 * self.sigma))

        return _pixels.changed(images, blur)
