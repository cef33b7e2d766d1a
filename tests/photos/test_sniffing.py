"""What a file is: content before suffix, RAW before TIFF."""

import struct

import pytest
from conftest import ROOT

from unlearn.photos.sniffing import LEFT_OUT, RAW, SUFFIXES, VIDEO, kind, suffix, wrong_suffix

SAMPLES = ROOT / "data" / "photos"


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("orientation-1.jpg", "jpeg"),
        ("wrong-suffix.jpg", "png"),
        ("heic-named.jpg", "heif"),
        ("photo.avif", "avif"),
        ("lossy.webp", "webp"),
        ("rgb.bmp", "bmp"),
        ("tiled.tif", "tiff"),
        ("stereo.mpo", "jpeg"),
        ("animated.gif", "gif"),
        ("raw.CR3", "cr3"),
        ("faces-mwg.xmp", "sidecar"),
        ("orientation-1.AAE", "sidecar"),
        ("orientation-1.jpg.json", "sidecar"),
        ("README.md", "other"),
    ],
)
def test_samples(name: str, format: str) -> None:
    found = kind((SAMPLES / name).read_bytes()[:4096], name.encode())
    assert found.format == format
    assert found.photo is (format in ("jpeg", "png", "heif", "avif", "webp", "bmp", "tiff"))
    assert found.photo or found.reason


@pytest.mark.parametrize("suffix", [b"nef", b"NEF", b"arw", b"dng", b"cr2", b"pef"])
def test_raw_files_that_begin_like_a_tiff(suffix: bytes) -> None:
    head = (SAMPLES / "rgb.tif").read_bytes()[:4096]
    found = kind(head, b"x." + suffix)
    assert not found.photo
    assert found.format in RAW


@pytest.mark.parametrize(
    ("head", "format"),
    [
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "mp4"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "mov"),
        (b"RIFF\0\0\0\0AVI LIST", "avi"),
        (b"\x1a\x45\xdf\xa3", "mkv"),
    ],
)
def test_videos(head: bytes, format: str) -> None:
    assert format in VIDEO
    assert kind(head, b"x").format == format
    assert not kind(head, b"x").photo


@pytest.mark.parametrize("head", [b"", b"\0", b"RIFF", b"\0\0\0\x18ftyp", b"II*\0", b"BM", b"GIF89a"])
def test_short_heads_are_no_crash(head: bytes) -> None:
    for name in (b"x.jpg", b"x", b"", b"\xff\xfe.png", b"x.json"):
        assert kind(head, name).format


def media(major: bytes, *compatible: bytes) -> bytes:
    """The beginning of an ISO media file with these brands."""
    body = major + bytes(4) + b"".join(compatible)
    return struct.pack(">I4s", 8 + len(body), b"ftyp") + body + bytes(60)


def directory(order: str, *tags: tuple[int, int]) -> bytes:
    """The beginning of a TIFF with these tags and numbers."""
    start = b"II*\0" if order == "<" else b"MM\0*"
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in tags)
    return start + struct.pack(order + "IH", 8, len(tags)) + entries + bytes(64)


@pytest.mark.parametrize(
    ("head", "format"),
    [
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"GIF87a", "gif"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "webp"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "other"),
        (b"BM" + bytes(12) + struct.pack("<I", 40), "bmp"),
        (b"\xff\x0a\xfa\x1f", "jxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
        (b"8BPS\0\1", "psd"),
        (b"%PDF-1.7", "pdf"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">', "svg"),
        (b"FUJIFILMCCD-RAW 0201", "raf"),
        (b"IIRO\x08\0\0\0", "orf"),
        (b"IIU\0\x18\0\0\0", "rw2"),
        (b"II\x1a\0\0\0HEAPCCDR", "crw"),
        (b"II*\0\x10\0\0\0CR\2\0", "cr2"),
        (b"FOVb", "raw"),
        (b"\0\0\0\x08wide\0\0\0\x10mdat", "mov"),
        (b"\0\0\1\xba", "mpg"),
    ],
)
def test_content_decides_whatever_the_name_says(head: bytes, format: str) -> None:
    for name in (b"x", b"x.jpg", b"x.png", b"x.HEIC", b"x.json"):
        found = kind(head, name)
        assert found.format == format
        assert found.photo is (format in SUFFIXES)
        assert bool(found.reason) is not found.photo


@pytest.mark.parametrize(
    ("brands", "format"),
    [
        ((b"heic", b"mif1", b"heic"), "heif"),
        ((b"mif1", b"mif1", b"heic"), "heif"),
        ((b"heix",), "heif"),
        ((b"msf1", b"hevc"), "heif"),
        ((b"avif", b"mif1", b"miaf"), "avif"),
        ((b"mif1", b"avif", b"miaf"), "avif"),
        ((b"avis", b"avif", b"msf1"), "avif"),
        ((b"crx ", b"isom"), "cr3"),
        ((b"qt  ", b"qt  "), "mov"),
        ((b"mp42", b"isom"), "mp4"),
        ((b"isom",), "mp4"),
    ],
)
def test_brands(brands: tuple[bytes, ...], format: str) -> None:
    assert kind(media(*brands), b"IMG_1.jpg").format == format


@pytest.mark.parametrize("order", ["<", ">"])
def test_raw_by_its_tags(order: str) -> None:
    assert kind(directory(order, (256, 10), (50706, 1)), b"x.tif").format == "dng"
    assert kind(directory(order, (254, 1), (330, 99)), b"x.tif").format == "raw"  # a preview first, the rest below
    assert kind(directory(order, (254, 0), (256, 10)), b"x.tif").format == "tiff"
    assert kind(directory(order, (256, 10))[:20], b"x").format == "tiff"


@pytest.mark.parametrize("number", [b"II+\0", b"MM\0+", b"II*\0\xff\xff\xff\xff"])
def test_big_tiff_and_tags_out_of_sight(number: bytes) -> None:
    assert kind(number + bytes(12), b"x.jpg").format == "tiff"


@pytest.mark.parametrize("format", SUFFIXES)
def test_unrecognizable_content_counts_by_its_suffix(format: str) -> None:
    """So that reading it says what is wrong, and nothing is passed over."""
    for ending in SUFFIXES[format]:
        for head in (b"", b"garbage"):
            found = kind(head, b"a.b." + ending.upper().encode())
            assert (found.format, found.photo) == (format, True)
            assert not wrong_suffix(found, b"x." + ending.encode())


@pytest.mark.parametrize("ending", ["cr3", "NEF", "mov", "MP4", "xmp", "AAE", "txt"])
def test_other_content_by_its_suffix(ending: str) -> None:
    found = kind(b"garbage", b"x." + ending.encode())
    assert not found.photo
    assert found.format in (*RAW, *VIDEO, *LEFT_OUT)
    assert found.reason.isprintable()


def test_wrong_suffixes_are_noted() -> None:
    png, heif = kind(b"\x89PNG\r\n\x1a\n", b"x.jpg"), kind(media(b"heic"), b"x.jpg")
    assert wrong_suffix(png, b"x.jpg") == "a PNG photo with the suffix .jpg"
    assert wrong_suffix(heif, b"IMG.JPG") == "a HEIF photo with the suffix .jpg"
    assert wrong_suffix(png, b"x") == "a PNG photo"
    assert wrong_suffix(kind(b"GIF89a", b"x.jpg"), b"x.jpg") == ""


def test_suffixes() -> None:
    assert [suffix(name) for name in (b"a.JPG", b"a", b".jpg", b"a.", b"a.tar.gz")] == ["jpg", "", "jpg", "", "gz"]
    assert suffix(b"caf\xe9.jp\xe9").startswith("jp")
