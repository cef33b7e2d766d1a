"""Sample PNG, WebP, TIFF, BMP, HEIC and AVIF files, and what lies beside photos."""

import io
import json
import struct
import zlib
from typing import Any

import metadata_blocks as blocks
import numpy as np
import scenes
from jpeg_samples import Files, marked, picture
from numpy.typing import NDArray
from PIL import Image

SMALL = (72, 54)


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    """The bytes of an image in one of Pillow's formats."""
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def deep(channels: int, seed: int = 0) -> NDArray[np.uint16]:
    """16-bit samples whose low bytes matter, (H, W, channels): gray, gray and alpha, RGB, RGB and alpha."""
    width, height = SMALL
    draws = np.random.default_rng(seed)
    full = scenes.scene(width, height, seed, 1).astype(np.uint16) * 257
    full += draws.integers(0, 200, full.shape, dtype=np.uint16)
    alpha = np.linspace(0, 65535, width * height).astype(np.uint16).reshape(height, width, 1)
    colors = full[..., :1] if channels < 3 else full
    return np.concatenate([colors, alpha], axis=2) if channels in (2, 4) else np.ascontiguousarray(colors)


def files() -> Files:
    """Name: (bytes, what it is for)."""
    return {**_png(), **_deep_png(), **_webp(), **_tiff(), **_modern(), **_beside()}


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int, color: int, raw: bytes, *extra: bytes, interlaced: int = 0) -> bytes:
    """A PNG of filtered rows, with further chunks in front of its data."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    data = _chunk(b"IDAT", zlib.compress(raw, 9))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + b"".join(extra) + data + _chunk(b"IEND", b"")


def adam7(pixels: NDArray[np.uint8]) -> bytes:
    """Rows of the seven passes of an interlaced PNG, unfiltered."""
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    parts = [pixels[row::down, column::across] for row, column, down, across in passes]
    return b"".join(b"\0" + line.tobytes() for part in parts if part.size for line in part)


def _png() -> Files:
    image = picture(6, 6, *SMALL)
    alpha = Image.linear_gradient("L").resize(SMALL)
    clear = image.copy()
    clear.putalpha(alpha)
    gray = image.convert("L")
    palette = image.quantize(64)
    see_through = encoded(palette, "PNG", transparency=3)
    colorful = _chunk(b"gAMA", struct.pack(">I", 45455)) + _chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1))
    text = _chunk(b"tEXt", b"Comment\0taken in the garden") + _chunk(b"eXIf", blocks.exif(6, thumbnail=marked()))
    packet = _chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + blocks.xmp())
    plain = encoded(image, "PNG")
    rows = b"".join(b"\0" + line.tobytes() for line in np.asarray(image))
    moving = encoded(image, "PNG", save_all=True, append_images=[picture(7, 6, *SMALL)])
    return {
        "rgb.png": (plain, "8-bit RGB"),
        "gray.png": (encoded(gray, "PNG"), "8-bit gray"),
        "alpha.png": (encoded(clear, "PNG"), "RGB and alpha, which is never changed"),
        "gray-alpha.png": (encoded(Image.merge("LA", (gray, alpha)), "PNG"), "gray and alpha"),
        "palette.png": (encoded(palette, "PNG"), "a palette becomes RGB"),
        "palette-gray.png": (encoded(gray.quantize(48), "PNG"), "a palette of grays becomes gray"),
        "palette-alpha.png": (see_through, "a palette with a transparent color becomes RGB and alpha"),
        "transparent-color.png": (
            encoded(image, "PNG", transparency=image.getpixel((5, 5))),
            "RGB, one color is clear",
        ),
        "bilevel.png": (encoded(gray.convert("1"), "PNG"), "one bit: left out"),
        "interlaced.png": (png(*SMALL, 8, 2, adam7(np.asarray(image)), interlaced=1), "interlaced (Adam7)"),
        "metadata.png": (png(*SMALL, 8, 2, rows, colorful, text, packet), "gamma, text, EXIF with thumbnail, XMP"),
        "animated.png": (moving, "animated PNG: left out"),
        "truncated.png": (plain[: len(plain) // 2], "cut off: damaged"),
        "bomb.png": (png(60000, 60000, 8, 0, bytes(200_000)), "3,600 megapixels in 300 bytes: left out"),
        "wrong-suffix.jpg": (plain, "a PNG that is named .jpg"),
        "animated.gif": (encoded(palette, "GIF", save_all=True, append_images=[gray]), "animated GIF: left out"),
    }


def _deep_png() -> Files:
    import imagecodecs

    names = {1: "gray16", 2: "gray16-alpha", 3: "rgb16", 4: "rgb16-alpha"}
    found: Files = {}
    for channels, name in names.items():
        array = deep(channels)
        shaped = np.ascontiguousarray(array[..., 0] if channels == 1 else array)
        data = bytes(imagecodecs.png_encode(shaped, level=9))
        found[f"{name}.png"] = (data, "16 bits a sample, of which none is lost")
    return found


def _webp() -> Files:
    image = picture(8, 8)
    clear = image.copy()
    clear.putalpha(Image.linear_gradient("L").resize(image.size))
    small, other = picture(8, 8, *SMALL), picture(9, 8, *SMALL)
    full = {"exif": b"Exif\0\0" + blocks.exif(6), "xmp": blocks.xmp(), "icc_profile": blocks.display_p3()}
    return {
        "lossy.webp": (encoded(image, "WEBP", quality=82), "lossy WebP"),
        "lossy-alpha.webp": (encoded(clear, "WEBP", quality=82), "lossy WebP with alpha"),
        "lossless.webp": (encoded(small, "WEBP", lossless=True), "lossless WebP stays lossless"),
        "metadata.webp": (encoded(image, "WEBP", quality=70, **full), "WebP with EXIF, XMP and a profile"),
        "animated.webp": (encoded(small, "WEBP", save_all=True, append_images=[other]), "animated WebP: left out"),
    }


def _tiff() -> Files:
    import tifffile

    def tiff(array: NDArray[Any], **options: Any) -> bytes:
        stream = io.BytesIO()
        tifffile.imwrite(stream, array, metadata=None, software=False, **options)
        return stream.getvalue()

    image = np.asarray(picture(10, 10, *SMALL))
    inks = np.asarray(picture(10, 10, *SMALL).convert("CMYK"))
    packet = blocks.xmp()
    tags = [(274, 3, 1, 6, True), (700, 1, len(packet), packet, True), (271, 2, 5, "Acme", True)]
    pages = io.BytesIO()
    with tifffile.TiffWriter(pages) as writer:
        for seed in (10, 11):
            page = np.asarray(picture(seed, 10, 48, 36))
            writer.write(page, photometric="rgb", metadata=None, software=False)
    clear = {"photometric": "rgb", "extrasamples": ["unassalpha"]}
    profile = blocks.printing()
    return {
        "rgb.tif": (tiff(image, photometric="rgb", compression="lzw", extratags=tags), "LZW, XMP, orientation 6"),
        "gray16.tif": (tiff(deep(1)[..., 0], photometric="minisblack", compression="zlib"), "16-bit gray, Deflate"),
        "rgb16.tif": (tiff(deep(3), photometric="rgb", byteorder=">"), "16-bit RGB, big-endian, uncompressed"),
        "alpha.tif": (tiff((deep(4) >> 8).astype(np.uint8), compression="packbits", **clear), "RGB and alpha"),
        "tiled.tif": (
            tiff(image, photometric="rgb", tile=(32, 32), compression="zlib", bigtiff=True),
            "BigTIFF, tiles",
        ),
        "pages.tif": (pages.getvalue(), "two pages: left out"),
        "cmyk.tif": (tiff(inks, photometric="separated", iccprofile=profile, compression="zlib"), "CMYK, profile"),
        "rgb.bmp": (encoded(picture(12, 12, 64, 48), "BMP"), "24-bit BMP"),
    }


def _modern() -> Files:
    image = picture(13, 13)
    full = {"exif": blocks.exif(6), "xmp": blocks.xmp(), "max_threads": 1, "autotiling": False}
    clear = image.copy()
    clear.putalpha(Image.linear_gradient("L").resize(image.size))
    other = picture(14, 13)
    steady = {"max_threads": 1, "autotiling": False}
    found: Files = {
        "photo.avif": (encoded(image, "AVIF", quality=70, **full), "AVIF, orientation 6 in the container"),
        "alpha.avif": (encoded(clear, "AVIF", quality=70, **steady), "AVIF with alpha"),
        "animated.avif": (
            _timeless(encoded(image, "AVIF", quality=40, save_all=True, append_images=[other], **steady)),
            "animated AVIF: left out",
        ),
    }
    return {**found, **_heic(image, other)}


def _timeless(data: bytes) -> bytes:
    """An animation without the time at which it was made, which libavif writes into its headers."""
    made = bytearray(data)
    for name in (b"mvhd", b"tkhd", b"mdhd"):
        at = data.find(name)
        while at >= 0:
            version, start = data[at + 4], at + 8
            length = 16 if version == 1 else 8
            made[start : start + length] = bytes(length)
            at = data.find(name, at + 4)
    return bytes(made)


def _heic(image: Image.Image, other: Image.Image) -> Files:
    try:
        import pillow_heif
    except ImportError:
        return {}
    steady = {"x265:pools": "none", "x265:frame-threads": "1", "x265:wpp": "0", "preset": "ultrafast"}

    def heic(pictures: list[Image.Image], **options: Any) -> bytes:
        file = pillow_heif.HeifFile()
        for one in pictures:
            file.add_from_pillow(one)
        stream = io.BytesIO()
        file.save(stream, quality=70, enc_params=steady, **options)
        return stream.getvalue()

    plain = heic([image], exif=blocks.exif(1))
    return {
        "photo.heic": (plain, "HEIC"),
        "several.heic": (heic([image, other], thumbnails=[64]), "HEIC with thumbnails and a second image"),
        "heic-named.jpg": (plain, "a HEIC that is named .jpg"),
    }


def _beside() -> Files:
    brand = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"crx ", 1, b"crx ", b"isom")
    raw = brand + struct.pack(">I4s", 16, b"moov") + bytes(8)
    takeout = {
        "title": "orientation-1.jpg",
        "people": [{"name": "Alice"}],
        "geoData": {"latitude": 47.37, "longitude": 8.55, "altitude": 408.0},
        "photoTakenTime": {"timestamp": "1563714245", "formatted": "21 Jul 2019"},
    }
    adjustments = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<plist version="1.0"><dict><key>adjustmentFormatIdentifier</key>'
        "<string>com.apple.photo</string></dict></plist>\n"
    )
    return {
        "raw.CR3": (raw, "the beginning of a RAW file: never rewritten"),
        "orientation-1.AAE": (adjustments.encode(), "Apple's list of edits"),
        "faces-mwg.xmp": (
            blocks.mwg_regions(160, 120, [("Carol", 0.5, 0.45, 0.3, 0.4)]),
            "sidecar with a face region",
        ),
        "orientation-1.jpg.json": (json.dumps(takeout, indent=1).encode(), "Google Takeout's sidecar: person, place"),
    }
