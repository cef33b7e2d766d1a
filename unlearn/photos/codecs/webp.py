"""WebP: lossless stays lossless; lossy is written at the quality that gives the source's size."""

import io
import struct
from collections import Counter
from typing import Any

from numpy.typing import NDArray
from PIL import WebPImagePlugin

from unlearn.photos.blocks import Blocks
from unlearn.photos.codecs import _quality
from unlearn.photos.codecs._directories import bare, orientation
from unlearn.photos.codecs._guard import check_size, chunk_label, decoding
from unlearn.photos.codecs._pixels import joined, saved, split
from unlearn.photos.picture import Damaged, LeftOut, Picture
from unlearn.photos.writing import Writing

FORMATS = ("webp",)
LOSSLESS = False  # settings["lossless"] says it of one picture
METHOD = 4
ANIMATED = 0x02
KNOWN = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP", b"EXIF", b"XMP ")


def _chunks(data: bytes) -> dict[bytes, bytes]:
    """Top-level chunks of the RIFF container; of repeated ones the first."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise Damaged("webp: empty file" if not data else "webp: not a file of this format")
    stop = 8 + struct.unpack_from("<I", data, 4)[0]
    if stop > len(data) + 1:
        raise Damaged("webp: the file is cut off")
    found: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= min(stop, len(data)):
        kind, length = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        if at + 8 + length > len(data):
            raise Damaged("webp: the file is cut off")
        found.setdefault(kind, data[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    return found


def size(data: bytes) -> tuple[int, int]:
    """Width and height from the header."""
    return _size(_chunks(data))


def _size(chunks: dict[bytes, bytes]) -> tuple[int, int]:
    lossy, lossless, extended = (chunks.get(kind, b"") for kind in (b"VP8 ", b"VP8L", b"VP8X"))
    if len(extended) >= 10:
        width, height = (int.from_bytes(extended[i : i + 3], "little") + 1 for i in (4, 7))
    elif len(lossless) >= 5:
        bits = int.from_bytes(lossless[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif len(lossy) >= 10:
        width, height = (int.from_bytes(lossy[i : i + 2], "little") & 0x3FFF for i in (6, 8))
    else:
        raise Damaged("webp: there is no picture in it")
    return width, height


def read(data: bytes, writing: Writing) -> Picture:
    """Decode a still WebP.

    Raises:
        LeftOut: animated, or too large.
        Damaged: cut off or broken.
    """
    with decoding("webp"):
        chunks = _chunks(data)
        check_size(_size(chunks), len(data), writing)
        if chunks.get(b"VP8X", b"\0")[0] & ANIMATED or b"ANIM" in chunks:
            raise LeftOut("animated WebP")
        image = WebPImagePlugin.WebPImageFile(io.BytesIO(data))
        pixels, alpha = split(image)
        exif = bare(chunks.get(b"EXIF"))
        lossless = b"VP8L" in chunks
        settings: dict[str, Any] = {"lossless": lossless}
        if not lossless:
            coded = len(chunks.get(b"VP8 ", b""))
            settings |= {"sample": _quality.sample(pixels), "bytes_per_pixel": coded / (image.width * image.height)}
        return Picture(
            pixels=pixels,
            alpha=alpha,
            format="webp",
            orientation=orientation(exif),
            settings=settings,
            icc=chunks.get(b"ICCP"),
            exif=exif,
            xmp=chunks.get(b"XMP "),
            dropped=Counter(chunk_label(kind) for kind in chunks if kind not in KNOWN),
            copies=Counter({"trailing data": 1} if data[_end(data) :].strip(b"\0") else {}),
        )


def _end(data: bytes) -> int:
    return 8 + int.from_bytes(data[4:8], "little") + int.from_bytes(data[4:8], "little") % 2


def write(picture: Picture, blocks: Blocks, writing: Writing) -> bytes:
    """Encode as the source was: lossless, or lossy near its size; alpha always without loss."""
    options: dict[str, Any] = {"method": METHOD, "exact": True, "alpha_quality": 100}
    if picture.settings.get("lossless"):
        options["lossless"] = True
    else:
        options["quality"] = writing.quality or _source_quality(picture)
    for name in ("exif", "xmp"):
        options[name] = getattr(blocks, name) or b""
    options["icc_profile"] = blocks.icc or b""
    return saved(joined(picture.pixels, picture.alpha), "WEBP", **options)


def _source_quality(picture: Picture) -> int:
    def encoded(pixels: NDArray[Any], quality: int) -> int:
        return len(_chunks(saved(joined(pixels, None), "WEBP", method=METHOD, quality=quality))[b"VP8 "])

    settings = picture.settings
    if "sample" not in settings:
        return 85
    return _quality.like_source(settings["sample"], settings["bytes_per_pixel"], encoded)
