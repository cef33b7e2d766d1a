"""One size for images of different sizes. Reads neither numpy nor Pillow until it is used, because recipes name it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import ConfigDict

from unlearn.quantities import Positive

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Fit:
    """How images of different sizes become one size: the recipe must say it, nothing is resized silently."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    height: Positive
    width: Positive
    how: Literal["crop", "stretch", "pad"] = "crop"

    def apply(self, image: Image.Image) -> Image.Image:
        """Resize with Lanczos to (height, width), keeping the aspect ratio unless `stretch`."""
        from PIL import Image, ImageOps

        size = (self.width, self.height)
        if self.how == "stretch":
            return image.resize(size, Image.Resampling.LANCZOS)
        if self.how == "pad":
            return ImageOps.pad(image, size, Image.Resampling.LANCZOS)
        return ImageOps.fit(image, size, Image.Resampling.LANCZOS)
