"""BMP: uncompressed, 24 or 32 bit or 8-bit gray; it holds no metadata."""

import io
import struct
from collections import Counter

import numpy as np
from PIL import BmpImagePlugin, Image

from unlearn.photos.blocks import Blocks
from unlearn.photos.codecs._guard import check_size, decoding
from unlearn.photos.codecs._pixels import joined, saved, split
from unlearn.photos.picture import Damaged, LeftOut, Picture
from unlearn.photos.writing import Writing

FORMATS = ("bmp",)
LOSSLESS = True


def size(data: bytes) -> tuple[int, int]:
    """Width and height from the header."""
    if data[:2] != b"BM" or len(data) < 26:
        raise Damaged("bmp: empty file" if not data else "bmp: not a file of this format")
    if struct.unpack_from("<I", data, 14)[0] == 12:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    return width, abs(height)


def read(data: bytes, writing: Writing) -> Picture:
    """Decode a BMP; palettes become gray or RGB.

    Raises:
        LeftOut: bilevel, or too large.
        Damaged: cut off or broken.
    """
    with decoding("bmp"):
        check_size(size(data), len(data), writing)
        image: Image.Image = BmpImagePlugin.BmpImageFile(io.BytesIO(data))
        image.load()
        if image.mode == "1":
            raise LeftOut("bilevel (1 bit): noise cannot be hidden in it")
        notes: tuple[str, ...] = ()
        if image.mode == "P":
            image = image.convert("RGB")
            pixels, alpha = split(image)
            if bool((pixels == pixels[..., :1]).all()):
                pixels = np.ascontiguousarray(pixels[..., :1])
            notes = (f"a palette is written as {'L' if pixels.shape[2] == 1 else 'RGB'}",)
        else:
            pixels, alpha = split(image)
        dpi = image.info.get("dpi", (96, 96))
        copies = Counter({"trailing data": 1} if _behind(data) else {})
        return Picture(pixels, "bmp", alpha=alpha, settings={"dpi": dpi}, copies=copies, notes=notes)


def _behind(data: bytes) -> bool:
    """True if something follows what the header calls the file's end; some programs write no end there."""
    end = struct.unpack_from("<I", data, 2)[0]
    return bool(end > 54 and data[end:].strip(b"\0"))


def write(picture: Picture, blocks: Blocks, writing: Writing) -> bytes:
    """Encode losslessly; the format has no place for metadata."""
    image = joined(picture.pixels, picture.alpha)
    if image.mode == "LA":
        image = image.convert("RGBA")
    return saved(image, "BMP", dpi=picture.settings.get("dpi", (96, 96)))
