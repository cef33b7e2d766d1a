"""AVIF through Pillow: the primary image only, written near the source's size."""

import io
import struct
from typing import Any

from numpy.typing import NDArray
from PIL import AvifImagePlugin

from unlearn.photos.blocks import Blocks
from unlearn.photos.codecs import _boxes, _directories, _quality
from unlearn.photos.codecs._directories import ORIENTATION, bare, orientation
from unlearn.photos.codecs._guard import check_size, decoding
from unlearn.photos.codecs._pixels import joined, saved, split
from unlearn.photos.picture import Damaged, LeftOut, Picture
from unlearn.photos.writing import Writing

FORMATS = ("avif",)
LOSSLESS = False
DEFAULT_QUALITY = 75
HDR_TRANSFERS = (16, 18)  # PQ and HLG: the decoder does not map them, and sRGB they are not
# One thread and no automatic tiles: the bytes must not depend on how many cores a machine has. Speed 9 takes a ninth of
# the time of the default 6 for files 5 % larger at the same error.
ENCODER = {"speed": 9, "max_threads": 1, "autotiling": False}


def _parsed(data: bytes) -> _boxes.Container:
    try:
        return _boxes.parse(data)
    except Damaged as error:
        raise Damaged(f"avif: {error}") from error


def size(data: bytes) -> tuple[int, int]:
    """Stored width and height from the header."""
    with decoding("avif"):
        return _parsed(data).size


def read(data: bytes, writing: Writing) -> Picture:
    """Decode the primary image.

    Raises:
        LeftOut: animated, HDR (PQ or HLG), or too large.
        Damaged: cut off or broken.
    """
    with decoding("avif"):
        found = _parsed(data)
        if found.sequence or b"avis" in found.brands:
            raise LeftOut("animated AVIF")
        check_size(found.size, len(data), writing)
        if _transfer(found) in HDR_TRANSFERS:
            raise LeftOut("HDR (PQ or HLG) AVIF: its brightness would be lost in 8 bits")
        image = AvifImagePlugin.AvifImageFile(io.BytesIO(data))
        pixels, alpha = split(image)
        depth, sampling = _coding(found.described(b"av1C"))
        exif = bare(image.info.get("exif"))
        return Picture(
            pixels=pixels,
            alpha=alpha,
            format="avif",
            orientation=orientation(exif),
            settings={
                "subsampling": sampling,
                "sample": _quality.sample(pixels),
                "bytes_per_pixel": found.coded_bytes / (image.width * image.height),
            },
            icc=image.info.get("icc_profile"),
            exif=exif,
            xmp=image.info.get("xmp"),
            copies=found.copies(),
            notes=(f"{depth} bits are written as 8 bits",) if depth > 8 else (),
        )


def _transfer(found: _boxes.Container) -> int:
    colors = found.described(b"colr")
    return struct.unpack_from(">H", colors, 6)[0] if colors[:4] == b"nclx" and len(colors) >= 8 else 0


def _coding(av1c: bytes) -> tuple[int, str]:
    """Bit depth and sampling from the AV1 configuration."""
    if len(av1c) < 3:
        return 8, "4:2:0"
    bits = av1c[2]
    depth = (12 if bits & 0x20 else 10) if bits & 0x40 else 8
    if bits & 0x10:
        return depth, "4:0:0"
    return depth, {(0, 0): "4:4:4", (1, 0): "4:2:2"}.get((bits >> 3 & 1, bits >> 2 & 1), "4:2:0")


def write(picture: Picture, blocks: Blocks, writing: Writing) -> bytes:
    """Encode near the source's size; the orientation goes into the container, as the format wants it."""
    exif = blocks.exif
    if picture.orientation != 1 and orientation(exif) != picture.orientation:
        turned = {ORIENTATION: _directories.short(picture.orientation)}
        exif = _directories.block({**_directories.read(exif or b""), **turned})
    return _encoded(
        picture,
        picture.pixels,
        picture.alpha,
        writing.quality or _source_quality(picture),
        exif=exif or b"",
        xmp=blocks.xmp or b"",
        icc_profile=blocks.icc or b"",
    )


def _source_quality(picture: Picture) -> int:
    def encoded(pixels: NDArray[Any], quality: int) -> int:
        return _boxes.parse(_encoded(picture, pixels, None, quality)).coded_bytes

    if "sample" not in picture.settings:
        return DEFAULT_QUALITY
    return _quality.like_source(picture.settings["sample"], picture.settings["bytes_per_pixel"], encoded)


def _encoded(picture: Picture, pixels: NDArray[Any], alpha: Any, quality: int, **metadata: bytes) -> bytes:
    sampling = picture.settings.get("subsampling", "4:2:0")
    return saved(joined(pixels, alpha), "AVIF", quality=quality, subsampling=sampling, **ENCODER, **metadata)
