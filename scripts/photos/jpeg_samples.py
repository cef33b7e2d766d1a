"""Sample JPEGs: orientations, layouts, profiles, hidden copies, damage."""

import base64
import io
import struct
from typing import Any

import metadata_blocks as blocks
import numpy as np
import scenes
from PIL import Image

Files = dict[str, tuple[bytes, str]]
WIDTH, HEIGHT = 160, 120
GAIN_XMP = 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'


def picture(seed: int = 0, person: int = 0, width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """A drawn photo."""
    return Image.fromarray(scenes.scene(width, height, seed, person))


def jpeg(image: Image.Image, **options: Any) -> bytes:
    """JPEG bytes, quality 85 4:2:0 unless told otherwise."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", **{"quality": 85, "subsampling": 2, **options})
    return stream.getvalue()


def with_exif(**options: Any) -> bytes:
    """An EXIF block as Pillow wants it."""
    return b"Exif\0\0" + blocks.exif(**options)


def marked(width: int = 64, height: int = 48) -> bytes:
    """A JPEG of the marker color that stands for a clean preview."""
    return jpeg(Image.fromarray(scenes.marker(width, height)), quality=80)


def segment(data: bytes, marker: int, payload: bytes) -> bytes:
    """The JPEG with one more segment behind its first one."""
    first = 4 + struct.unpack_from(">H", data, 4)[0]
    return data[:first] + bytes((0xFF, marker)) + struct.pack(">H", len(payload) + 2) + payload + data[first:]


def files() -> Files:
    """Name: (bytes, what it is for)."""
    return {**_orientations(), **_layouts(), **_colors(), **_metadata(), **_copies(), **_broken()}


def _orientations() -> Files:
    upright = scenes.scene(WIDTH, HEIGHT, 0, 0)
    found: Files = {}
    for number in range(1, 9):
        image = Image.fromarray(scenes.turned(upright, number))
        data = jpeg(image, exif=with_exif(orientation=number, order="<" if number % 2 else ">"))
        found[f"orientation-{number}.jpg"] = (data, f"one scene, EXIF orientation {number}")
    return found


def _layouts() -> Files:
    image = picture(1, 1)
    return {
        "progressive.jpg": (jpeg(image, progressive=True), "progressive stays progressive"),
        "optimized.jpg": (jpeg(image, optimize=True), "optimized Huffman tables stay optimized"),
        "sampling-444.jpg": (jpeg(image, subsampling=0, quality=92), "4:4:4"),
        "sampling-422.jpg": (jpeg(image, subsampling=1), "4:2:2"),
        "sampling-440.jpg": (_imagecodecs(image, subsampling=(1, 2)), "4:4:0, which Pillow cannot write"),
        "three-tables.jpg": (
            jpeg(image, qtables=[[9 + n] * 64 for n in (0, 3, 6)]),
            "a quantization table for each channel",
        ),
        "stored-rgb.jpg": (jpeg(image, keep_rgb=True, subsampling=0), "red, green and blue are stored themselves"),
        "bits-12.jpg": (_twelve_bits(), "12-bit JPEG: left out"),
        "lossless.jpg": (_imagecodecs(image, lossless=True), "lossless JPEG: left out"),
    }


def _imagecodecs(image: Image.Image, **options: Any) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.jpeg8_encode(np.asarray(image), level=85, **options))


def _twelve_bits() -> bytes:
    import imagecodecs

    deep = np.asarray(picture(1, 1)).astype(np.uint16) * 16
    return bytes(imagecodecs.jpeg8_encode(deep, level=85, bitspersample=12))


def _colors() -> Files:
    image = picture(2, 2)
    inks = image.convert("CMYK")
    return {
        "profile-p3.jpg": (jpeg(image, icc_profile=blocks.display_p3()), "ICC profile of a wide gamut"),
        "gray.jpg": (jpeg(image.convert("L")), "one channel stays one channel"),
        "gray-in-rgb.jpg": (jpeg(image.convert("L").convert("RGB")), "gray stored in three channels stays gray"),
        "cmyk.jpg": (jpeg(inks), "CMYK without a profile: always left out"),
        "cmyk-profile.jpg": (
            jpeg(inks, icc_profile=blocks.printing()),
            "CMYK with a profile: left out, or converted to sRGB",
        ),
    }


def _metadata() -> Files:
    image = picture(3, 3)
    thumbnail = marked()
    preview = base64.b64encode(thumbnail).decode()
    thumbs = (
        f'<xmp:Thumbnails><rdf:Alt><rdf:li rdf:parseType="Resource"><xmpGImg:format>JPEG</xmpGImg:format>'
        f"<xmpGImg:image>{preview}</xmpGImg:image></rdf:li></rdf:Alt></xmp:Thumbnails>"
    )
    mwg = blocks.mwg_regions(WIDTH, HEIGHT, [("Alice", 0.5, 0.45, 0.3, 0.4), ("Bob", 0.8, 0.5, 0.1, 0.15)])
    microsoft = blocks.microsoft_regions([("Alice", 0.35, 0.25, 0.3, 0.4)])
    location = 'exif:GPSLatitude="47,22.2N" exif:GPSLongitude="8,32.9E"'
    return {
        "thumbnail.jpg": (jpeg(image, exif=with_exif(thumbnail=thumbnail)), "EXIF thumbnail in the marker color"),
        "private.jpg": (
            jpeg(image, exif=with_exif(private=True, thumbnail=thumbnail), xmp=blocks.xmp("", location)),
            "GPS, serial numbers, owner, maker note, thumbnail",
        ),
        "comment.jpg": (jpeg(image, comment=b"taken in the garden"), "a comment segment: dropped"),
        "faces-mwg.jpg": (jpeg(image, xmp=mwg), "face regions of the Metadata Working Group"),
        "faces-microsoft.jpg": (jpeg(image, xmp=microsoft), "Microsoft's people tags"),
        "xmp-thumbnail.jpg": (jpeg(image, xmp=blocks.xmp(thumbs)), "base64 thumbnail inside XMP, in the marker color"),
    }


def _copies() -> Files:
    image, preview = picture(4, 4), marked()
    plain = jpeg(image)
    small = jpeg(Image.fromarray(scenes.marker(80, 60)).convert("L"), xmp=blocks.xmp("", GAIN_XMP))
    hdr = jpeg(image, xmp=blocks.xmp("", GAIN_XMP))
    photoshop = b"Photoshop 3.0\x008BIM\x04\x0c\0\0" + struct.pack(">I", 28 + len(preview))
    photoshop += struct.pack(">6I2H", 1, 64, 48, 192, 9216, len(preview), 24, 1) + preview
    movie = struct.pack(">I4s4sI4s", 20, b"ftyp", b"mp42", 0, b"isom") + struct.pack(">I4s", 1208, b"mdat")
    return {
        "preview.mpo": (blocks.multi_picture(plain, [(0x010001, preview)]), "multi-picture file with a clean preview"),
        "stereo.mpo": (blocks.multi_picture(plain, [(0x020002, preview)]), "multi-picture file with a second view"),
        "gain-map.jpg": (blocks.multi_picture(hdr, [(0, small)]), "HDR gain map: a clean half-size view"),
        "motion.jpg": (plain + movie + bytes(range(256)) * 4 + bytes(176), "a video behind the photo"),
        "trailing.jpg": (plain + b"SEFHe\0\0\0depth of something", "unknown data behind the photo"),
        "photoshop.jpg": (segment(plain, 0xED, photoshop), "Photoshop's preview, in the marker color"),
        "jfif-thumbnail.jpg": (segment(plain, 0xE0, b"JFXX\0\x10" + preview), "JFIF extension with a thumbnail"),
    }


def _broken() -> Files:
    whole = jpeg(picture(5, 5))
    return {
        "truncated.jpg": (whole[: len(whole) * 3 // 5], "cut off in the middle: damaged"),
        "truncated-header.jpg": (whole[:100], "cut off inside the header: damaged"),
        "empty.jpg": (b"", "no bytes at all: damaged"),
        "no-photo.jpg": (b"This is a text that somebody has renamed.\n" * 4, "a text with a photo's suffix: damaged"),
    }
