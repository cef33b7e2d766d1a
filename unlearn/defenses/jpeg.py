"""JPEG compression of training and test images. Liu et al., ICML 2023 (ISS), with quality 10; platforms use 65-85."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.defenses import Defense

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.images import Pixels


@dataclass(frozen=True)
class JPEG(Defense):
    """Pillow's encoder with 4:2:0 chroma, its default."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    quality: Annotated[int, Field(ge=1, le=95)] = 75

    @property
    def label(self) -> str:
        return f"jpeg-{self.quality}"

    def purify(self, images: Tensor) -> Tensor:
        """Encode and decode every image."""
        import torch  # torch stays out of recipe checks

        from unlearn import placing

        pixels = images.cpu().numpy()
        out = placing.tensor(images.shape, torch.uint8)
        for i, image in enumerate(pixels):
            out[i] = torch.from_numpy(recompress(image, self.quality))
        return out.to(images.device)


def recompress(pixels: Pixels, quality: int) -> Pixels:
    """uint8 (C, H, W) through a JPEG file of this quality and back."""
    from PIL import Image  # Pillow and numpy stay out of recipe checks

    from unlearn.images import to_array, to_image

    stream = io.BytesIO()
    to_image(pixels).save(stream, format="JPEG", quality=quality)
    with Image.open(stream, formats=("JPEG",)) as image:
        return to_array(image)
