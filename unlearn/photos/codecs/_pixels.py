"""Between Pillow's images and arrays of samples, with as few copies as possible.

Pillow keeps RGB in four bytes a pixel, in pieces. `numpy.asarray` collects them in 64 kB strings that are then joined
(59 ms for 12 megapixels); packing large strips straight into the array takes 10 ms.
"""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

STRIP_BYTES = 1 << 22
WITH_ALPHA = {"RGB": "RGBA", "L": "LA"}


class _Into:
    """A file that fills an array."""

    def __init__(self, array: NDArray[np.uint8]):
        self.array = array
        self.at = 0

    def write(self, chunk: bytes) -> int:
        """Copy a strip behind the last one."""
        self.array[self.at : self.at + len(chunk)] = np.frombuffer(chunk, np.uint8)
        self.at += len(chunk)
        return len(chunk)

    def flush(self) -> None:
        """Nothing waits."""


def samples(image: Image.Image, packing: str | None = None) -> NDArray[np.uint8]:
    """uint8 (H, W, C), writable and contiguous, of an L, LA, RGB, RGBA or CMYK image.

    packing: Pillow's raw mode; "RGB" and "A" of an RGBA image give its colors and its alpha.
    """
    packing = packing or image.mode
    image.load()
    flat = np.empty(image.width * image.height * len(packing), np.uint8)
    into: Any = _Into(flat)  # Pillow wants a file and uses `write` and `flush` only
    ImageFile._save(image, into, [ImageFile._Tile("raw", (0, 0, *image.size), 0, packing)], STRIP_BYTES)
    return flat.reshape(image.height, image.width, len(packing))


def split(image: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Samples (H, W, C) and alpha (H, W) or None of an L, LA, RGB or RGBA image."""
    if image.mode == "RGBA":
        return samples(image, "RGB"), samples(image, "A")[:, :, 0]
    if image.mode == "LA":
        return samples(image.getchannel(0)), samples(image.getchannel(1))[:, :, 0]
    return samples(image), None


def joined(pixels: NDArray[Any], alpha: NDArray[Any] | None) -> Image.Image:
    """An L, LA, RGB or RGBA image of uint8 samples (H, W, C) and alpha (H, W); the inverse of `split`."""
    mode = "L" if pixels.shape[2] == 1 else "RGB"
    image = packed(mode, pixels)
    if alpha is None:
        return image
    if mode == "L":
        return Image.merge("LA", (image, packed("L", alpha)))
    image.putalpha(packed("L", alpha))
    return image


def packed(mode: str, array: NDArray[Any]) -> Image.Image:
    """An image of a Pillow mode from uint8 samples (H, W) or (H, W, C)."""
    height, width = array.shape[:2]
    image = Image.new(mode, (width, height), None)  # not filled: every pixel is written
    memory: Any = np.ascontiguousarray(array).data.cast("B")  # any buffer will do
    image.frombytes(memory, "raw", mode, 0, 1)
    return image


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    """The bytes of an encoded image."""
    stream = io.BytesIO()
    image.save(stream, format=format, **options)
    return stream.getvalue()
