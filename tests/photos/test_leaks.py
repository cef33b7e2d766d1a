"""The leak scan finds every second picture that is planted, and raises no alarm over honest files."""

import base64
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from photo_plants import (
    MAGENTA,
    MAGENTA_64,
    THUMBNAILS_XMP,
    bare_exif,
    box,
    camera_exif,
    chunk,
    encoded,
    meta_file,
    packet,
    photoshop,
    plain_jpeg,
    profile,
    reference,
    scene,
    segment,
    with_chunks,
    with_riff,
    with_segments,
    xmp_segment,
)
from PIL import Image, ImageCms, PngImagePlugin

from unlearn.photos import leaks

RGB = scene()
PNG = encoded(RGB, "PNG")
WEBP = encoded(RGB, "WEBP", quality=80)
TIFF = encoded(RGB, "TIFF", compression="tiff_adobe_deflate")
BMP = encoded(RGB, "BMP")
AVIF = encoded(RGB, "AVIF", quality=60)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MP4 = box(b"ftyp", b"isom\0\0\2\0isomiso2") + box(b"mdat", bytes(500))


def with_exif(block: bytes) -> bytes:
    return with_segments(plain_jpeg(), segment(0xE1, b"Exif\0\0" + block))


def text_png(key: str, value: str, compressed: bool = False) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text(key, value, zip=compressed)
    return encoded(RGB, "PNG", pnginfo=info)


def mpo() -> bytes:
    return encoded(RGB, "MPO", save_all=True, append_images=[Image.new("RGB", (200, 150), (255, 0, 255))])


def tiff_with(**options: object) -> bytes:
    return encoded(RGB, "TIFF", **options)


# Every row: the format, the file, and words of the finding.
PLANTED: dict[str, tuple[str, bytes, str]] = {
    "maker note": ("jpeg", with_exif(camera_exif(thumbnail=None)), "maker note"),
    "thumbnail of a thumbnail": ("jpeg", with_exif(bare_exif(with_exif(bare_exif(MAGENTA)))), "of its own"),
    "bytes behind the thumbnail": ("jpeg", with_exif(bare_exif(MAGENTA + MP4)), "after the end"),
    "raw thumbnail in EXIF": ("jpeg", with_exif(bare_exif(b"\xff\x00\xff" * 3_000)), "does not start as a JPEG"),
    "loose bytes in EXIF": ("jpeg", with_exif(bare_exif(MAGENTA) + b"\xff\x00\xff" * 3_000), "no tag refers to"),
    "second EXIF": ("jpeg", with_segments(with_exif(bare_exif(MAGENTA)), segment(0xE1, b"Exif\0\0" + bare_exif(b""))),
                    "second EXIF"),
    "JFIF thumbnail": ("jpeg", with_segments(plain_jpeg(), segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1\x10\x10" + bytes(768))),
                       "JFIF"),
    "JFXX thumbnail": ("jpeg", with_segments(plain_jpeg(), segment(0xE0, b"JFXX\0\x10" + MAGENTA)), "JFXX"),
    "Photoshop 1036": ("jpeg", with_segments(plain_jpeg(), photoshop(1036, bytes(28) + MAGENTA)), "thumbnail"),
    "Photoshop 1033": ("jpeg", with_segments(plain_jpeg(), photoshop(1033, bytes(28) + MAGENTA)), "thumbnail"),
    "FlashPix": ("jpeg", with_segments(plain_jpeg(), segment(0xE2, b"FPXR\0\1" + MAGENTA)), "FlashPix"),
    "MPF and a second JPEG": ("jpeg", mpo(), "MPF"),
    "gain map data": ("jpeg", with_segments(plain_jpeg(), segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0")), "gain"),
    "unknown segment": ("jpeg", with_segments(plain_jpeg(), segment(0xE5, b"\xff\x00\xff" * 900)), "APP5"),
    "XMP thumbnails": ("jpeg", with_segments(plain_jpeg(), xmp_segment(THUMBNAILS_XMP)), "XMP"),
    "XMP GImage": ("jpeg", with_segments(plain_jpeg(), xmp_segment(packet("<GImage:Data>AA</GImage:Data>"))), "GImage"),
    "XMP data URI": ("jpeg", with_segments(plain_jpeg(), xmp_segment(
        packet("<xmp:Label>data:image/jpeg;base64,AAAA</xmp:Label>"))), "data URI"),
    "XMP base64, unaligned": ("jpeg", with_segments(plain_jpeg(), xmp_segment(
        packet(f"<xmp:Label>{base64.b64encode(b'x' + MAGENTA).decode()}</xmp:Label>"))), "base64"),
    "extended XMP": ("jpeg", with_segments(plain_jpeg(), segment(
        0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(40) + MAGENTA)), "extended XMP"),
    "comment": ("jpeg", with_segments(plain_jpeg(), segment(0xFE, MAGENTA_64.encode())), "comment"),
    "profile": ("jpeg", plain_jpeg(icc_profile=profile(extra=MAGENTA)), "color profile"),
    "behind the profile": ("jpeg", plain_jpeg(icc_profile=profile(behind=b"\xff\x00\xff" * 900)), "color profile"),
    "JPEG behind a JPEG": ("jpeg", plain_jpeg() + MAGENTA, "JPEG"),
    "motion photo": ("jpeg", plain_jpeg() + MP4, "video"),
    "anything behind a JPEG": ("jpeg", plain_jpeg() + b"x", "1 bytes after"),
    "JPEG inside the scan": ("jpeg", plain_jpeg()[:-400] + MAGENTA, "second JPEG"),
    "between segments": ("jpeg", plain_jpeg()[:2] + b"\x00" * 300 + plain_jpeg()[2:], "between"),
    "PNG eXIf": ("png", encoded(RGB, "PNG", exif=camera_exif(thumbnail=None)), "maker note"),
    "PNG raw profile": ("png", text_png("Raw profile type exif", "\nexif\n 9\n" + camera_exif().hex()), "hexadecimal"),
    "PNG text": ("png", text_png("Comment", MAGENTA_64), "base64"),
    "PNG compressed text": ("png", text_png("Comment", MAGENTA.hex(), compressed=True), "hexadecimal"),
    "PNG XMP": ("png", with_chunks(PNG, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + THUMBNAILS_XMP)), "XMP"),
    "PNG compressed XMP": ("png", with_chunks(PNG, chunk(
        b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(THUMBNAILS_XMP))), "XMP"),
    "PNG text bomb": ("png", with_chunks(PNG, chunk(b"zTXt", b"c\0\0" + zlib.compress(bytes(20_000_000)))), "inflated"),
    "PNG profile": ("png", encoded(RGB, "PNG", icc_profile=profile(extra=MAGENTA)), "color profile"),
    "PNG frames": ("png", encoded(RGB, "PNG", save_all=True, append_images=[Image.new("RGB", RGB.size, (255, 0, 255))]),
                   "frames"),
    "PNG unknown chunk": ("png", with_chunks(PNG, chunk(b"prVw", MAGENTA)), "prVw"),
    "PNG checksum": ("png", PNG[:40] + b"\x00" + PNG[41:], "checksum"),
    "behind a PNG": ("png", PNG + MAGENTA, "JPEG"),
    "WebP EXIF": ("webp", encoded(RGB, "WEBP", exif=camera_exif(thumbnail=None)), "maker note"),
    "WebP XMP": ("webp", encoded(RGB, "WEBP", xmp=THUMBNAILS_XMP), "XMP"),
    "WebP frames": ("webp", encoded(RGB, "WEBP", save_all=True, append_images=[scene(seed=1)]), "frames"),
    "WebP unknown chunk": ("webp", with_riff(WEBP, (b"PREV", MAGENTA)), "PREV"),
    "WebP second picture": ("webp", with_riff(WEBP, (b"VP8 ", WEBP[20:])), "second"),
    "behind a WebP": ("webp", WEBP + MAGENTA, "JPEG"),
    "TIFF second page": ("tiff", tiff_with(save_all=True, append_images=[scene(100, 75)]), "pages"),
    "TIFF Photoshop": ("tiff", tiff_with(tiffinfo={0x8649: photoshop(1036, MAGENTA)}), "Photoshop"),
    "TIFF sub-picture": ("tiff", tiff_with(tiffinfo={0x014A: 8}), "preview"),
    "TIFF unknown tag": ("tiff", tiff_with(tiffinfo={0xFDE9: b"\xff\x00\xff" * 900}), "0xFDE9"),
    "TIFF XMP": ("tiff", tiff_with(tiffinfo={0x02BC: THUMBNAILS_XMP}), "XMP"),
    "behind a TIFF": ("tiff", TIFF + b"\xff\x00\xff" * 900, "no tag refers to"),
    "JPEG behind a TIFF": ("tiff", TIFF + MAGENTA, "JPEG"),
    "behind a BMP": ("bmp", BMP + MAGENTA, "JPEG"),
    "before the pixels of a BMP": ("bmp", BMP[:10] + struct.pack("<I", 54 + len(MAGENTA)) + BMP[14:54] + MAGENTA
                                   + BMP[54:], "JPEG"),
    "AVIF EXIF": ("avif", encoded(RGB, "AVIF", exif=camera_exif(thumbnail=None)), "maker note"),
    "AVIF XMP": ("avif", encoded(RGB, "AVIF", xmp=THUMBNAILS_XMP), "XMP"),
    "AVIF video": ("avif", AVIF + MP4, ""),
    "AVIF sequence": ("avif", encoded(RGB, "AVIF", save_all=True, append_images=[scene(seed=1)]), "sequence"),
    "AVIF loose media data": ("avif", AVIF + box(b"mdat", b"\xff\x00\xff" * 900), "belong to no item"),
    "AVIF unknown box": ("avif", AVIF + box(b"uuid", MAGENTA), "uuid"),
    "AVIF filled padding": ("avif", AVIF + box(b"free", MAGENTA), "not empty"),
    "behind an AVIF": ("avif", AVIF + MAGENTA[:7], "no box"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_planted_pictures_are_found(name: str) -> None:
    format, data, words = PLANTED[name]
    found = leaks.scan(data, format)
    assert any(words in finding for finding in found), found


HONEST: dict[str, tuple[str, Callable[[], bytes]]] = {
    "jpeg": ("jpeg", plain_jpeg),
    "progressive jpeg": ("jpeg", lambda: plain_jpeg(progressive=True, optimize=True)),
    "gray jpeg": ("jpeg", lambda: encoded(scene(mode="L"), "JPEG")),
    "restart markers": ("jpeg", lambda: plain_jpeg(restart_marker_blocks=4)),
    "jpeg with everything": ("jpeg", lambda: plain_jpeg(icc_profile=SRGB, comment=b"a comment", dpi=(72, 72))),
    "cmyk jpeg": ("jpeg", lambda: encoded(RGB.convert("CMYK"), "JPEG")),
    "png": ("png", lambda: PNG),
    "palette png": ("png", lambda: encoded(RGB.convert("P"), "PNG", transparency=3, icc_profile=SRGB, dpi=(72, 72))),
    "png with text": ("png", lambda: text_png("Comment", "Lake, 9 July; see http://example.org/9j/a")),
    "webp": ("webp", lambda: WEBP),
    "webp with alpha": ("webp", lambda: encoded(scene(mode="RGBA"), "WEBP", icc_profile=SRGB)),
    "lossless webp": ("webp", lambda: encoded(RGB, "WEBP", lossless=True)),
    "tiff": ("tiff", lambda: TIFF),
    "lzw tiff": ("tiff", lambda: tiff_with(compression="tiff_lzw", icc_profile=SRGB, description="Lake")),
    "jpeg tiff": ("tiff", lambda: tiff_with(compression="jpeg")),
    "raw tiff": ("tiff", tiff_with),
    "bmp": ("bmp", lambda: BMP),
    "palette bmp": ("bmp", lambda: encoded(RGB.convert("P"), "BMP")),
    "bilevel bmp": ("bmp", lambda: encoded(RGB.convert("1"), "BMP")),
    "bmp with alpha": ("bmp", lambda: encoded(scene(mode="RGBA"), "BMP")),
    "avif": ("avif", lambda: AVIF),
    "avif with alpha": ("avif", lambda: encoded(scene(mode="RGBA"), "AVIF", icc_profile=SRGB)),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_files_raise_no_alarm(name: str) -> None:
    format, make = HONEST[name]
    assert leaks.scan(make(), format) == []


def test_chance_in_coded_pixels_is_no_picture() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    noise[10, 10:14] = np.frombuffer(b"\xff\xd8\xff\xe0\0\x10JFIF\0\1", np.uint8).reshape(4, 3)
    rows = b"".join(b"\0" + row.tobytes() for row in noise)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 100, 100, 8, 2, 0, 0, 0))
    png = PNG[:8] + header + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")
    for format, data in (("tiff", encoded(Image.fromarray(noise), "TIFF")), ("png", png)):
        assert b"\xff\xd8\xff\xe0" in data
        assert leaks.scan(data, format) == []
    assert leaks.scan(encoded(Image.fromarray(noise[:, :, ::-1].copy()), "BMP"), "bmp") == []
    table = bytearray(np.random.default_rng(1).integers(0, 256, 200_000, dtype=np.uint8))
    table[500:504] = b"\xff\xd8\xff\xc4"
    assert leaks.scan(plain_jpeg(icc_profile=profile(extra=bytes(table))), "jpeg") == []


def test_unknown_formats_are_findings() -> None:
    assert leaks.scan(b"", "psd") == ["no leak scan for psd"]
    assert leaks.formats() == ("avif", "bmp", "heif", "jpeg", "png", "tiff", "webp")


SOURCES = {
    "jpeg": with_exif(camera_exif()),
    "png": encoded(RGB.resize((40, 30)), "PNG", exif=camera_exif()),
    "webp": encoded(RGB.resize((40, 30)), "WEBP", exif=camera_exif()),
    "tiff": encoded(RGB.resize((40, 30)), "TIFF", exif=camera_exif()),
    "bmp": encoded(RGB.resize((40, 30)), "BMP"),
    "avif": encoded(RGB.resize((40, 30)), "AVIF", exif=camera_exif()),
    "heif": meta_file([(1, b"grid"), (2, b"hvc1"), (3, b"Exif")], reference(b"dimg", 1, 2)),
}


@pytest.mark.parametrize("format", SOURCES)
def test_random_damage_never_raises(format: str) -> None:
    generator = np.random.default_rng(4)
    whole = SOURCES[format]
    for turn in range(200):
        data = bytearray(whole[: int(generator.integers(0, len(whole)))] if turn % 2 else whole)
        for _ in range(int(generator.integers(0, 12)) if data else 0):
            data[int(generator.integers(0, min(len(data), 3_000)))] = int(generator.choice([0, 1, 127, 255, 8, 42]))
        assert all(isinstance(finding, str) for finding in leaks.scan(bytes(data), format))


@pytest.mark.parametrize("format", SOURCES)
def test_empty_and_foreign_files_are_findings(format: str) -> None:
    assert leaks.scan(b"", format)
    assert leaks.scan(b"hello" * 100, format)
    assert leaks.scan(MP4, format)
