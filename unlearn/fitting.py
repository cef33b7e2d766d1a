"""One size for images of different sizes. Reads neither numpy nor Pillow until it is used, because recipes name it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field

if TYPE_CHECKING:
    from PIL import Image

# Nobody trains on larger ones; a mistyped side would ask for all memory before the first image is read.
Side = Annotated[int, Field(ge=1, le=8192)]


@dataclass(frozen=True)
class Fit:
    """How images of different sizes become one size: the recipe must say it, nothing is resized silently."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    height: Side
    width: Side
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
