"""JPEG: written with the source's own quantization tables, sampling, kind (progressive or not) and Huffman coding."""

import io
from collections import Counter
from typing import Any

from PIL import Image, ImageFile, JpegImagePlugin

from unlearn.photos.blocks import Blocks
from unlearn.photos.codecs import _colors, _markers
from unlearn.photos.codecs._directories import bare, orientation
from unlearn.photos.codecs._guard import check_size, decoding
from unlearn.photos.codecs._pixels import joined, samples, saved
from unlearn.photos.picture import Damaged, LeftOut, Picture
from unlearn.photos.writing import Writing

FORMATS = ("jpeg",)
LOSSLESS = False
DECODED = (0, 1, 2, 9, 10)  # baseline, extended and progressive, with Huffman or arithmetic coding
HUFFMAN = (0, 1, 2)  # arithmetic coding leaves out zeros at the end, which look like a cut
SAMPLINGS = {(1, 1): 0, (2, 1): 1, (2, 2): 2}  # luma samples per chroma sample, across and down
GRAYS = (128, (128, 128, 128))
MORE, END = bytes(range(255)) * 16, b"\xff\xd9"
PRESET = {"quality": 90, "subsampling": 2}  # for photos that come from another format
LARGEST_SEGMENT = 65533
XMP = b"http://ns.adobe.com/xap/1.0/\0"


def size(data: bytes) -> tuple[int, int]:
    """Width and height from the header."""
    found = _markers.header(data)
    return found.width, found.height


def read(data: bytes, writing: Writing) -> Picture:
    """Decode the main picture; whatever else the file holds is counted and left behind.

    Raises:
        LeftOut: CMYK (unless it is to be converted), 12-bit, lossless, or too large.
        Damaged: cut off or broken.
    """
    with decoding("jpeg"):
        found = _markers.header(data)
        if found.process not in DECODED:
            raise LeftOut("lossless or hierarchical JPEG: no codec for it here")
        if found.precision != 8:
            raise LeftOut(f"{found.precision}-bit JPEG: no codec for it here")
        check_size((found.width, found.height), len(data), writing)
        if found.components == 4 and writing.cmyk != "convert":
            raise LeftOut(_colors.CMYK)
        stop = _markers.end(data, found)
        image = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
        image.load()
        if found.process in HUFFMAN:
            _check_whole(image, data[:stop])
        return _picture(image, data, found, stop)


def _check_whole(image: ImageFile.ImageFile, data: bytes) -> None:
    """Refuse a picture that was cut off and then closed: it decodes without an error, its rest a middle gray.

    Where the last pixel is of that gray, bytes are put in front of the end marker: whole pictures do not take them.
    Progressive ones that miss scans are coarse all over instead, and count as whole.
    """
    if image.getpixel((image.width - 1, image.height - 1)) not in GRAYS or data[-2:] != END:
        return
    longer = JpegImagePlugin.JpegImageFile(io.BytesIO(data[:-2] + MORE + END))
    if longer.tobytes() != image.tobytes():
        raise Damaged("jpeg: the file is cut off")


def _picture(image: ImageFile.ImageFile, data: bytes, found: _markers.Header, stop: int) -> Picture:
    settings, notes = _encoding(image, found)
    icc = image.info.get("icc_profile")
    exif = bare(image.info.get("exif"))
    if image.mode == "CMYK":
        pixels, icc = samples(_colors.to_srgb(image, icc)), None
        notes += ("CMYK is converted to sRGB",)
    else:
        pixels = samples(image)
    copies, dropped = _segments(found)
    return Picture(
        pixels=pixels,
        format="jpeg",
        orientation=orientation(exif),
        settings=settings,
        icc=icc,
        exif=exif,
        xmp=image.info.get("xmp"),
        copies=copies + _markers.behind(data, stop, found),
        dropped=dropped,
        notes=notes,
    )


def _encoding(image: Any, found: _markers.Header) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Encoder settings that repeat the source's, and notes where they cannot."""
    notes: tuple[str, ...] = ()
    layer = image.layer[:3] if found.components >= 3 else image.layer[:1]
    tables = [list(image.quantization[table]) for _, _, _, table in layer]
    while len(tables) > 1 and tables[-1] == tables[-2]:
        tables.pop()
    settings = {
        "qtables": tables,
        "subsampling": 0,
        "progressive": found.process in (2, 10),
        "optimize": found.optimized and found.process in (0, 1),
        "keep_rgb": image.mode == "RGB" and _is_rgb(image, layer),
        "dpi": _density(image.info),
    }
    if len(layer) == 3:
        (_, across, down, _), *chroma = layer
        ratios = {(across / h, down / v) for _, h, v, _ in chroma}
        ratio = ratios.pop() if len(ratios) == 1 else (0, 0)
        settings["subsampling"] = SAMPLINGS.get(ratio, 0)
        if ratio not in SAMPLINGS:
            notes += (f"{_layout(layer)} sampling is written as 4:4:4",)
    if found.process in (9, 10):
        notes += ("arithmetic coding is written as Huffman coding",)
    return settings, notes


def _is_rgb(image: Any, layer: list[tuple[int, int, int, int]]) -> bool:
    """True if the file stores red, green and blue themselves, by libjpeg's rules."""
    if "jfif" in image.info:
        return False
    if "adobe" in image.info:
        return image.info.get("adobe_transform") == 0
    return [identifier for identifier, _, _, _ in layer] == [ord(c) for c in "RGB"]


def _layout(layer: list[tuple[int, int, int, int]]) -> str:
    names = {(1, 2): "4:4:0", (4, 1): "4:1:1", (4, 2): "4:1:0"}
    (_, across, down, _), (_, h, v, _), _ = layer
    return names.get((across // h, down // v), f"unusual ({across}x{down}, {h}x{v})")


def _density(info: dict[str, Any]) -> tuple[int, int]:
    """Dots per inch of the JFIF header; (0, 0) leaves the encoder's default."""
    across, down = info.get("jfif_density", (0, 0))
    scale = {1: 1.0, 2: 2.54}.get(info.get("jfif_unit", 0), 0.0)
    return round(across * scale), round(down * scale)


def _segments(found: _markers.Header) -> tuple[Counter[str], Counter[str]]:
    """Clean copies and other blocks among the application segments."""
    copies: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    for marker, payload in found.apps:
        if marker == 0xE0:
            copies["JFIF thumbnail"] += payload[:5] == b"JFXX\0" or (payload[:5] == b"JFIF\0" and len(payload) > 14)
        elif marker == 0xE2 and payload[:5] == b"FPXR\0":
            copies["FlashPix preview"] += 1
        elif marker == 0xE1 and payload[:35] == b"http://ns.adobe.com/xmp/extension/\0":
            copies["extended XMP"] = 1
        elif marker == 0xED:
            copies["Photoshop preview"] += b"8BIM\x04\x0c" in payload or b"8BIM\x04\x09" in payload
            dropped["IPTC record"] += b"8BIM\x04\x04" in payload
        elif marker == 0xFE:
            dropped["comment"] += 1
    return +copies, +dropped


def write(picture: Picture, blocks: Blocks, writing: Writing) -> bytes:
    """Encode the pixels as the source was encoded; `quality` overrides the quantization tables.

    Raises:
        LeftOut: a metadata block is too long for a JPEG segment, or there is alpha.
    """
    if picture.alpha is not None:
        raise LeftOut("a photo with transparency cannot be written as JPEG")
    options = {name: value for name, value in (picture.settings or PRESET).items() if value is not None}
    if writing.quality is not None:
        options = {**options, "quality": writing.quality, "qtables": None}
    if blocks.exif:
        options["exif"] = b"Exif\0\0" + blocks.exif
    if blocks.xmp:
        options["xmp"] = blocks.xmp
    if blocks.icc:
        options["icc_profile"] = blocks.icc
    for name, room in (("exif", LARGEST_SEGMENT), ("xmp", LARGEST_SEGMENT - len(XMP))):
        if len(getattr(blocks, name) or b"") + 6 > room:
            raise LeftOut(f"its {name.upper()} block is longer than a JPEG segment")
    image = joined(picture.pixels, None)
    if not options.get("progressive") and not options.get("optimize"):
        return saved(image, "JPEG", **options)
    return _with_room(image, options)


def _with_room(image: Image.Image, options: dict[str, Any]) -> bytes:
    """Encode with a buffer that holds the whole file: Pillow's guess is too small for noisy photos at high quality."""
    before = ImageFile.MAXBLOCK
    ImageFile.MAXBLOCK = max(before, 4 * image.width * image.height + 200_000)
    try:
        return saved(image, "JPEG", **options)
    finally:
        ImageFile.MAXBLOCK = before
