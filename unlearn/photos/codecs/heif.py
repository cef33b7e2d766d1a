"""HEIC and HEIF through pillow-heif (an extra: its wheel holds the GPL encoder x265). The primary image only.

The decoder has already turned the pixels, so their orientation is 1.
"""

import io
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearn.photos.blocks import Blocks
from unlearn.photos.codecs import _boxes, _quality, jpeg
from unlearn.photos.codecs._directories import bare, upright_exif
from unlearn.photos.codecs._guard import check_size, decoding, missing
from unlearn.photos.picture import Damaged, LeftOut, Picture
from unlearn.photos.writing import Writing

FORMATS = ("heif",)
LOSSLESS = False
CHROMA = {"420": "420", "422": "422", "444": "444"}
DEFAULT_QUALITY = 80
# Without threads the bytes cannot depend on how many cores a machine has. "ultrafast" takes a ninth of the default's
# time; at the quality of phone photos its files are as large and as good, at low quality 15 % larger.
ENCODER = {"preset": "ultrafast", "x265:pools": "none", "x265:frame-threads": "1", "x265:wpp": "0"}


def _library() -> Any:
    try:
        import pillow_heif
    except ImportError as error:
        raise missing("pillow-heif", "unlearn[heic]", "HEIC") from error
    return pillow_heif


def _parsed(data: bytes) -> _boxes.Container:
    try:
        return _boxes.parse(data)
    except Damaged as error:
        raise Damaged(f"heif: {error}") from error


def size(data: bytes) -> tuple[int, int]:
    """Stored width and height from the header."""
    with decoding("heif"):
        return _parsed(data).size


def read(data: bytes, writing: Writing) -> Picture:
    """Decode the primary image; thumbnails, depth maps, gain maps and further images are counted.

    Raises:
        LeftOut: pillow-heif is not installed; an image sequence; transparent and to be written as JPEG; too large.
        Damaged: cut off or broken.
    """
    with decoding("heif"):
        found = _parsed(data)
        if found.sequence:
            raise LeftOut("HEIF with an image sequence")
        check_size(found.size, len(data), writing)
        library = _library()
        file = library.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True, bgr_mode=False)
        image = next((i for i in file if i.info.get("primary")), file[0])
        array = np.asarray(image)[:, : image.size[0]]
        array = array[..., None] if array.ndim == 2 else array
        alpha = np.array(array[..., -1]) if array.shape[2] in (2, 4) else None
        if alpha is not None and writing.heic == "jpeg":
            raise LeftOut("a photo with transparency cannot be written as JPEG")
        pixels = _colors(array)
        return _picture(pixels, alpha, image.info, found)


def _colors(array: NDArray[Any]) -> NDArray[np.uint8]:
    channels = 1 if array.shape[2] < 3 else 3
    if channels == array.shape[2]:
        return np.array(array, order="C")
    pixels = np.empty((*array.shape[:2], channels), np.uint8)
    for channel in range(channels):
        pixels[..., channel] = array[..., channel]
    return pixels


def _picture(pixels: NDArray[np.uint8], alpha: Any, info: dict[str, Any], found: _boxes.Container) -> Picture:
    exif = bare(info.get("exif"))
    depth = int(info.get("bit_depth", 8))
    settings = {
        "chroma": CHROMA.get(str(info.get("chroma")), "420"),
        "nclx": info.get("nclx_profile"),
        "sample": _quality.sample(pixels),
        "bytes_per_pixel": found.coded_bytes / (pixels.shape[0] * pixels.shape[1]),
    }
    return Picture(
        pixels=pixels,
        alpha=alpha,
        format="heif",
        orientation=1,
        settings=settings,
        icc=info.get("icc_profile"),
        exif=upright_exif(exif) if exif else None,
        xmp=info.get("xmp"),
        copies=found.copies(),
        dropped=Counter(),
        notes=(f"{depth} bits are written as 8 bits",) if depth > 8 else (),
    )


def write(picture: Picture, blocks: Blocks, writing: Writing) -> bytes:
    """Encode as HEIC near the source's size, or as JPEG if the user asked for it."""
    if writing.heic == "jpeg":
        plain = Picture(pixels=picture.pixels, format="jpeg", orientation=picture.orientation)
        return jpeg.write(plain, blocks, writing)
    quality = writing.quality or _source_quality(picture)
    return _encoded(picture, picture.pixels, picture.alpha, quality, blocks)


def _source_quality(picture: Picture) -> int:
    def encoded(pixels: NDArray[Any], quality: int) -> int:
        return _boxes.parse(_encoded(picture, pixels, None, quality, Blocks())).coded_bytes

    if "sample" not in picture.settings:
        return DEFAULT_QUALITY
    return _quality.like_source(picture.settings["sample"], picture.settings["bytes_per_pixel"], encoded)


def _encoded(picture: Picture, pixels: NDArray[Any], alpha: Any, quality: int, blocks: Blocks) -> bytes:
    if alpha is not None:
        pixels = np.concatenate([pixels, alpha[..., None]], axis=2)
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]
    height, width = pixels.shape[:2]
    file = _library().from_bytes(mode, (width, height), np.ascontiguousarray(pixels).tobytes())
    info = file[0].info
    if blocks.icc:
        info["icc_profile"], info["icc_profile_type"] = blocks.icc, "prof"
    elif picture.settings.get("nclx"):
        info["nclx_profile"] = picture.settings["nclx"]
    info["exif"], info["xmp"] = blocks.exif, blocks.xmp
    stream = io.BytesIO()
    chroma = picture.settings.get("chroma", "420")
    file.save(stream, quality=quality, chroma=chroma, enc_params=ENCODER, exif=blocks.exif, xmp=blocks.xmp)
    return stream.getvalue()
