"""TIFF through tifffile: lossless, 8 and 16 bit, the source's compression; one picture a file.

EXIF, XMP and the color profile go into the file's own directory, as the format wants it.
"""

import io
import logging
import math
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearn.photos.blocks import Blocks
from unlearn.photos.codecs import _colors, _tiff_tags
from unlearn.photos.codecs._guard import check_size, decoding, missing
from unlearn.photos.codecs._pixels import packed, samples
from unlearn.photos.picture import Damaged, LeftOut, Picture
from unlearn.photos.writing import Writing

FORMATS = ("tiff",)
LOSSLESS = True
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, SEPARATED = 0, 1, 2, 3, 5
# TIFF's number of a compression: the name for writing. 5, 32773 and predictors of 16 bits need imagecodecs.
COMPRESSIONS = {1: None, 5: "lzw", 8: "zlib", 32946: "zlib", 32773: "packbits"}
NOTES = {
    WHITE_IS_ZERO: ("gray is written with black as zero",),
    PALETTE: ("a palette is written as RGB",),
    SEPARATED: ("CMYK is converted to sRGB",),
}
BY_IMAGECODECS = (5, 32773)
LARGEST = 4_000_000_000
LARGEST_TILE = 16_000_000


def _library() -> Any:
    try:
        import tifffile
    except ImportError as error:
        raise missing("tifffile", "tifffile", "TIFF") from error
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    return tifffile


def size(data: bytes) -> tuple[int, int]:
    """Width and height from the header."""
    with decoding("tiff"), _library().TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        return page.imagewidth, page.imagelength


def read(data: bytes, writing: Writing) -> Picture:
    """Decode a TIFF of one picture; reduced pictures and sub-directories are counted and left behind.

    Raises:
        LeftOut: several pictures, bilevel, CMYK (unless converted), an unusual kind, or too large.
        Damaged: cut off or broken.
    """
    if not data:
        raise Damaged("tiff: empty file")
    with decoding("tiff"), _library().TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        check_size((page.imagewidth, page.imagelength), len(data), writing)
        _check_kind(page, writing)
        _check_complete(page, len(data))
        copies = _copies(file)
        array = _array(page)
        tags = _tiff_tags.taken(data, page)
        if page.photometric == SEPARATED:
            array, tags.icc = samples(_colors.to_srgb(packed("CMYK", array), tags.icc)), None
        color = 3 if array.shape[2] >= 3 else 1
        alpha = np.ascontiguousarray(array[..., color]) if array.shape[2] > color else None
        return Picture(
            pixels=np.require(array[..., :color], requirements=["C", "W"]),
            alpha=alpha,
            format="tiff",
            orientation=tags.orientation,
            notes=NOTES.get(page.photometric, ()),
            settings=_settings(page, tags),
            icc=tags.icc,
            exif=tags.exif,
            xmp=tags.xmp,
            copies=copies + tags.copies,
            dropped=tags.dropped,
        )


def _check_kind(page: Any, writing: Writing) -> None:
    """Refuse what cannot be written back as the same kind."""
    if page.bitspersample == 1:
        raise LeftOut("bilevel (1 bit): noise cannot be hidden in it")
    if page.photometric == SEPARATED and (writing.cmyk != "convert" or page.bitspersample != 8):
        raise LeftOut(_colors.CMYK)
    if page.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, SEPARATED):
        raise LeftOut(f"TIFF of an unusual color kind ({page.photometric!s})")
    if page.bitspersample not in (8, 16) or page.sampleformat != 1:
        raise LeftOut(f"TIFF with {page.bitspersample}-bit samples of kind {page.sampleformat!s}")
    if page.compression not in COMPRESSIONS:
        raise LeftOut(f"TIFF with the compression {getattr(page.compression, 'name', page.compression)}")
    colors = {RGB: 3, SEPARATED: 4}.get(page.photometric, 1)
    if page.photometric == PALETTE and page.samplesperpixel > 1:
        raise LeftOut("TIFF with a palette and further channels")
    if page.samplesperpixel - colors not in (0, 1) or page.imagedepth != 1:
        raise LeftOut(f"TIFF with {page.samplesperpixel} channels")
    if page.photometric == SEPARATED and page.samplesperpixel != 4:
        raise LeftOut("CMYK with a further channel")
    if page.compression in BY_IMAGECODECS or page.predictor != 1:
        _imagecodecs()


def _imagecodecs() -> None:
    try:
        import imagecodecs  # noqa: F401
    except ImportError as error:
        raise missing("imagecodecs", "imagecodecs", "compressed TIFF") from error


def _check_complete(page: Any, length: int) -> None:
    """Missing strips would come out as black areas without an error, and huge tiles take huge memory."""
    if page.is_tiled and page.tilewidth * page.tilelength > max(LARGEST_TILE, 4 * page.imagewidth * page.imagelength):
        raise Damaged(f"tiff: tiles of {page.tilewidth}x{page.tilelength} pixels")
    pieces = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    whole = all(count > 0 and offset > 0 and offset + count <= length for offset, count in pieces)
    if not whole or len(pieces) < math.prod(page.chunked):
        raise Damaged("tiff: the file is cut off")
    if page.compression == 1 and sum(page.databytecounts) < page.nbytes:
        raise Damaged("tiff: the file is cut off")


def _copies(file: Any) -> Counter[str]:
    """Reduced pictures beside the main one; raises LeftOut if there are several main ones."""
    counts: Counter[str] = Counter()
    pages = list(file.pages)
    if pages[0].subfiletype & 1:
        raise LeftOut("TIFF that begins with a preview, as RAW files do")
    for page in pages[1:]:
        if not page.subfiletype & 5:
            raise LeftOut(f"TIFF with {len(pages)} pages")
        counts["preview" if page.subfiletype & 1 else "mask"] += 1
    counts["preview"] += len(pages[0].subifds or ())
    return +counts


def _array(page: Any) -> NDArray[Any]:
    """Samples (H, W, channels) in the machine's byte order, gray with black as zero, palettes as RGB."""
    height, width, channels = page.imagelength, page.imagewidth, page.samplesperpixel
    array: NDArray[Any] = page.asarray(maxworkers=1)
    if page.planarconfig == 2 and channels > 1:
        array = array.reshape(channels, height, width).transpose(1, 2, 0)
    array = np.ascontiguousarray(array.reshape(height, width, channels))
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if page.photometric == PALETTE:
        array = (page.colormap >> 8).astype(np.uint8).T[array[..., 0]]
    if page.photometric == WHITE_IS_ZERO:
        array[..., 0] = np.iinfo(array.dtype).max - array[..., 0]
    return array


def _settings(page: Any, tags: _tiff_tags.Taken) -> dict[str, Any]:
    return {
        "compression": int(page.compression),
        "predictor": page.predictor == 2,
        "extrasamples": [int(kind) for kind in page.extrasamples],
        "resolution": tags.resolution,
    }


def write(picture: Picture, blocks: Blocks, writing: Writing) -> bytes:
    """Encode with the source's compression, little-endian, in strips.

    Raises:
        LeftOut: larger than TIFF's four gigabytes.
    """
    if picture.pixels.nbytes > LARGEST:
        raise LeftOut("more than the four gigabytes that TIFF holds")
    array: NDArray[Any] = picture.pixels
    options: dict[str, Any] = {}
    if picture.alpha is not None:
        array = np.concatenate([array, picture.alpha[..., None]], axis=2)
        options["extrasamples"] = (picture.settings.get("extrasamples") or [2])[:1]
    stream = io.BytesIO()
    compression = COMPRESSIONS[picture.settings.get("compression", 1)]
    _library().imwrite(
        stream,
        array if array.shape[2] > 1 else array[..., 0],
        photometric="rgb" if picture.pixels.shape[2] == 3 else "minisblack",
        planarconfig="contig" if array.shape[2] > 1 else None,
        compression=compression,
        predictor=picture.settings.get("predictor", False) and compression in ("lzw", "zlib"),
        byteorder="<",
        bigtiff=False,
        metadata=None,
        software=False,
        maxworkers=1,
        **options,
    )
    return _tiff_tags.put(stream.getvalue(), blocks, picture)
