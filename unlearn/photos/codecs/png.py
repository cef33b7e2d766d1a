"""PNG: lossless, 8 and 16 bit. Only the picture goes to the decoder; chunks around it are read and written here."""

import io
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from unlearn.photos.blocks import Blocks
from unlearn.photos.codecs import _chunks, _sixteen
from unlearn.photos.codecs._directories import bare, orientation
from unlearn.photos.codecs._guard import check_size, decoding
from unlearn.photos.codecs._pixels import joined, saved, split
from unlearn.photos.picture import Damaged, LeftOut, Picture
from unlearn.photos.writing import Writing

FORMATS = ("png",)
LOSSLESS = True
GRAY, RGB = 0, 2  # color types
LEVEL = 4  # of zlib-ng; 6 gives the same size in the same time, 3 saves a third of the time and costs 11 % of size
NAME = b"ICC Profile\0\0"


def size(data: bytes) -> tuple[int, int]:
    """Width and height from the header."""
    return _chunks.header(data)[:2]


def read(data: bytes, writing: Writing) -> Picture:
    """Decode a PNG; palettes become gray or RGB, a transparent color becomes alpha.

    Raises:
        LeftOut: animated, bilevel, or too large.
        Damaged: cut off or broken.
    """
    with decoding("png"):
        check_size(size(data), len(data), writing)
        found = _chunks.split(data)
        if found.animated:
            raise LeftOut("animated PNG")
        if found.depth == 1:
            raise LeftOut("bilevel (1 bit): noise cannot be hidden in it")
        pixels, alpha, notes = _deep(found) if found.depth == 16 else _shallow(found)
        if pixels.shape[:2] != (found.height, found.width):
            raise Damaged("png: the decoder gave another size than the header")
        exif = bare(found.exif)
        return Picture(
            pixels=pixels,
            alpha=alpha,
            format="png",
            orientation=orientation(exif),
            settings={"chunks": found.kept},
            icc=found.icc,
            exif=exif,
            xmp=found.xmp,
            copies=Counter({"trailing data": 1} if found.trailing else {}),
            dropped=+found.dropped,
            notes=notes,
        )


Decoded = tuple[NDArray[Any], NDArray[Any] | None, tuple[str, ...]]


def _shallow(found: _chunks.Chunks) -> Decoded:
    """Samples of a picture with up to 8 bits, through Pillow."""
    image: Image.Image = PngImagePlugin.PngImageFile(io.BytesIO(b"".join(found.picture)))
    image.load()
    last = image.crop((0, image.height - 1, image.width, image.height))
    if found.interlaced or last.getbbox(alpha_only=False) is None:  # rows that are missing are zero
        _chunks.check_complete(found)
    notes: tuple[str, ...] = ()
    if found.color == _chunks.PALETTE:
        image, notes = _without_palette(image)
    elif found.depth < 8:
        notes = (f"{found.depth}-bit gray is written as 8-bit gray",)
    pixels, alpha = split(image)
    if found.clear and alpha is None:
        return pixels, *_clear(found, pixels, notes)
    return pixels, alpha, notes


def _clear(
    found: _chunks.Chunks, pixels: NDArray[Any], notes: tuple[str, ...]
) -> tuple[NDArray[Any] | None, tuple[str, ...]]:
    """Alpha of the one transparent color. Decoders miss it where they have scaled or swapped the samples first."""
    channels = pixels.shape[2]
    if found.color not in (GRAY, RGB) or len(found.clear) < 2 * channels:
        return None, notes
    color = np.frombuffer(found.clear, ">u2", channels).astype(np.int64) & (1 << found.depth) - 1
    if found.depth < 8:
        color *= 255 // ((1 << found.depth) - 1)
    levels = np.iinfo(pixels.dtype).max
    alpha = np.where((pixels == color).all(axis=2), 0, levels).astype(pixels.dtype)
    return alpha, (*notes, "a transparent color is written as an alpha channel")


def _without_palette(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Noise needs more colors than a palette has: gray where all its entries are, otherwise RGB, with alpha."""
    colors = np.reshape(image.getpalette("RGB") or [], (-1, 3))
    gray = bool((colors == colors[:, :1]).all())
    alpha = "transparency" in image.info
    mode = {(True, True): "LA", (True, False): "L", (False, True): "RGBA", (False, False): "RGB"}[gray, alpha]
    full = image.convert("RGBA" if alpha else "RGB")
    if gray:
        bands = full.split()
        full = Image.merge("LA", (bands[0], bands[3])) if alpha else bands[0]
    return full, (f"a palette is written as {mode}",)


def _deep(found: _chunks.Chunks) -> Decoded:
    """Samples of a picture with 16 bits."""
    array = _sixteen.decode(b"".join(found.picture))
    if array.dtype != np.uint16:
        raise Damaged("png: the decoder did not give 16 bits")
    channels = array.shape[2]
    if channels in (1, 3):
        whole = np.require(array, requirements=["C", "W"])
        return whole, *_clear(found, whole, ())
    pixels = np.empty((*array.shape[:2], channels - 1), np.uint16)
    for channel in range(channels - 1):
        pixels[..., channel] = array[..., channel]
    return pixels, np.ascontiguousarray(array[..., -1]), ()


def write(picture: Picture, blocks: Blocks, writing: Writing) -> bytes:
    """Encode losslessly, with 8 or 16 bits as the samples have, and with nothing but the blocks and color chunks."""
    if picture.levels == 255:
        png = saved(joined(picture.pixels, picture.alpha), "PNG", compress_level=LEVEL)
    elif picture.alpha is None:
        png = _sixteen.encode(picture.pixels)
    else:
        png = _sixteen.encode(np.concatenate([picture.pixels, picture.alpha[..., None]], axis=2))
    kept = [(kind, content) for kind, content in picture.settings.get("chunks", [])]
    if blocks.icc:
        kept = [(kind, content) for kind, content in kept if kind != b"sRGB"]
        kept.append((b"iCCP", NAME + _chunks.deflated(blocks.icc)))
    if blocks.exif:
        kept.append((b"eXIf", blocks.exif))
    if blocks.xmp:
        kept.append((b"iTXt", _chunks.XMP_KEY + b"\0\0\0\0\0" + blocks.xmp))
    return _chunks.with_metadata(png, [_chunks.chunk(kind, content) for kind, content in kept])
