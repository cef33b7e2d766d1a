"""What a platform does to a photo before anybody can collect it: named functions on Pillow images.

Pillow is imported inside them, because plans of audits only need the names.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

    Channel = Callable[[Image.Image], Image.Image]


def as_it_is(image: Image.Image) -> Image.Image:
    """The file as its owner shared it."""
    return image


def recompressed(image: Image.Image, quality: int = 75) -> Image.Image:
    """Encoded as JPEG once more."""
    from PIL import Image

    stream = io.BytesIO()
    image.save(stream, format="JPEG", quality=quality)
    return Image.open(stream, formats=("JPEG",))


def halved(image: Image.Image) -> Image.Image:
    """Half the width and height."""
    from PIL import Image

    size = (max(1, image.width // 2), max(1, image.height // 2))
    return image.resize(size, Image.Resampling.LANCZOS)


def halved_and_recompressed(image: Image.Image) -> Image.Image:
    """Half the size, then JPEG quality 75, as social networks do."""
    return recompressed(halved(image))


def limited(image: Image.Image, side: int) -> Image.Image:
    """The longer side reduced to `side` pixels; smaller photos stay as they are."""
    from PIL import Image

    factor = side / max(image.size)
    if factor >= 1:
        return image
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)


def gray(image: Image.Image) -> Image.Image:
    """Without color, in as many channels as before."""
    return image.convert("L").convert(image.mode)


# What every audit of photos goes through.
CHANNELS: dict[str, Channel] = {
    "none": as_it_is,
    "jpeg-75": recompressed,
    "half + jpeg-75": halved_and_recompressed,
}
# What an audit's plan may name.
EVERY: dict[str, Channel] = {
    **CHANNELS,
    "half": halved,
    **{f"jpeg-{quality}": partial(recompressed, quality=quality) for quality in (95, 85, 50)},
    **{f"side-{side}": partial(limited, side=side) for side in (1080, 512, 224)},
    "gray": gray,
}
