"""What a file is: content before suffix, RAW before TIFF."""

import pytest
from conftest import ROOT

from unlearn.photos.sniffing import RAW, VIDEO, kind

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
