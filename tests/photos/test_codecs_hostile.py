"""Bytes made to hurt: every codec answers in one line, soon, and with little memory."""

import io
import struct
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from codec_rounds import encoded, image, png, read, verdict, written
from photo_plants import box, chunk, meta_file, plain_jpeg, reference
from PIL import Image, features

from unlearn.photos.blocks import Blocks
from unlearn.photos.codecs import _boxes, _directories, codec, names
from unlearn.photos.picture import Damaged, Picture

TRIALS = 300
SECONDS = 5.0  # far more than any of it takes, far less than what it would take without limits


def tiff() -> bytes:
    tifffile = pytest.importorskip("tifffile")
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.asarray(image()), photometric="rgb", compression="zlib", metadata=None, rowsperstrip=16)
    return stream.getvalue()


def heif() -> bytes:
    library = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    library.from_pillow(image()).save(stream, quality=60)
    return stream.getvalue()


def avif() -> bytes:
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    return encoded(image(), "AVIF", speed=9, max_threads=1)


def exif() -> bytes:
    return b"Exif\0\0" + _directories.block({0x0112: _directories.short(6), 0x8769: {0x9003: _directories.short(1)}})


SOURCES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "jpeg": ("jpeg", lambda: encoded(image(), "JPEG", quality=80, exif=exif())),
    "progressive": ("jpeg", lambda: encoded(image(), "JPEG", quality=80, progressive=True) + plain_jpeg()[:400]),
    "png": ("png", lambda: encoded(image(4), "PNG", exif=exif())),
    "palette": ("png", lambda: encoded(image().quantize(64), "PNG", transparency=3)),
    "deep": ("png", lambda: png(4, 4, 16, 2, bytes(100), chunk(b"tRNS", bytes(6)))),
    "webp": ("webp", lambda: encoded(image(4), "WEBP", quality=70, exif=exif())),
    "lossless": ("webp", lambda: encoded(image(), "WEBP", lossless=True)),
    "tiff": ("tiff", tiff),
    "bmp": ("bmp", lambda: encoded(image(), "BMP")),
    "avif": ("avif", avif),
    "heif": ("heif", heif),
}


def test_every_codec_is_attacked() -> None:
    assert {format for format, _ in SOURCES.values()} == set(names())


def mutations(data: bytes, seed: int) -> Iterator[bytes]:
    """Changed, cut, doubled and swapped bytes; every other time near the beginning, where the structure is."""
    draws = np.random.default_rng(seed)
    for trial in range(TRIALS):
        changed = bytearray(data)
        limit = min(len(data), 400) if trial % 2 else len(data)
        for at in draws.integers(0, limit, 1 + trial % 6).tolist():
            changed[at] = draws.choice((0, 1, 0x7F, 0x80, 0xFF, int(draws.integers(256))))
        if trial % 5 == 0:
            changed = changed[: int(draws.integers(0, len(changed)))]
        elif trial % 5 == 1:
            start, stop = sorted(draws.integers(0, len(changed), 2).tolist())
            changed[start:stop] = b"" if trial % 2 else changed[start:stop] * 2
        yield resealed(bytes(changed)) if data.startswith(b"\x89PNG") else bytes(changed)


def resealed(data: bytes) -> bytes:
    """A PNG with right check sums as far as its chunks can be followed, so that damage gets past the first check."""
    at, parts = 8, [data[:8]]
    while at + 12 <= len(data):
        stop = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if stop + 4 > len(data):
            break
        parts.append(chunk(data[at + 4 : at + 8], data[at + 8 : stop]))
        at = stop + 4
    return b"".join(parts) + data[at:]


@pytest.mark.parametrize("name", SOURCES)
def test_random_damage_ends_in_one_line(name: str) -> None:
    format, source = SOURCES[name]
    data = source()
    assert not verdict(format, data)
    verdicts = [verdict(format, changed, max_pixels=1_000_000) for changed in mutations(data, len(name))]
    assert sum(map(bool, verdicts)) > TRIALS // 10


@pytest.mark.parametrize("name", SOURCES)
def test_what_is_read_in_spite_of_damage_can_be_written(name: str) -> None:
    format, source = SOURCES[name]
    good = 0
    for changed in mutations(source(), len(name)):
        if good == 12:
            break
        if not verdict(format, changed, max_pixels=100_000):
            written(read(format, changed))
            good += 1
    assert good


@pytest.mark.parametrize("format", names())
def test_empty_tiny_and_foreign_files(format: str) -> None:
    draws = np.random.default_rng(0)
    files = [b"", b"\0", b"\xff\xd8\xff", bytes(1000), draws.bytes(1000), b"a text that somebody has renamed"]
    files += [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"8BPS\0\1" + bytes(40), b"GIF89a" + bytes(40)]
    starts = [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\xff\0\0\0WEBPVP8 ", b"II*\0\x08\0\0\0", b"BM"]
    starts += [b"\0\0\0\x18ftypheic", b"\0\0\0\x18ftypavif"]
    for data in (*files, *(start + rest for start in starts for rest in (b"", bytes(64), draws.bytes(300)))):
        assert verdict(format, data)
        with pytest.raises(Damaged):
            codec(format).size(b"")


def loop() -> bytes:
    """EXIF whose every entry is a directory, namely the one that it stands in."""
    return b"II*\0\x08\0\0\0" + struct.pack("<H", 4000) + struct.pack("<HHII", 0x8769, 4, 1, 8) * 4000 + bytes(4)


def shared(order: str) -> bytes:
    """EXIF of a thousand large values that are all the same bytes."""
    entries = b"".join(struct.pack(order + "HHII", 40_000 + n, 3, 26_000, 8) for n in range(1000))
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(order + "IH", 8, 1000) + entries + bytes(52_000)


@pytest.mark.parametrize("block", [loop(), shared("<"), shared(">")], ids=["loop", "little-endian", "big-endian"])
def test_exif_that_unfolds_without_end(block: bytes) -> None:
    began = time.monotonic()
    found = _directories.read(block)
    assert len(_directories.block(found)) < 3 * len(block)
    assert read("png", png(64, 48, 8, 0, bytes(65 * 48), chunk(b"eXIf", block))).orientation == 1
    assert time.monotonic() - began < SECONDS


def test_big_endian_values_are_turned_round() -> None:
    block = (
        b"MM\0*"
        + struct.pack(">IHHHIIHHII", 8, 2, 0x011A, 5, 1, 38, 0x0112, 3, 1, 6 << 16)
        + bytes(4)
        + struct.pack(">II", 300, 7)
    )
    found = _directories.read(block)
    assert _directories.orientation(block) == 6
    assert found[0x011A] == _directories.Value(5, 1, struct.pack("<II", 300, 7))


def test_boxes_that_count_to_a_hundred_million() -> None:
    """Ten thousand items of ten thousand extents, of no bytes each."""
    rows = b"".join(struct.pack(">HHH", n, 0, 0xFFFF) for n in range(10_000))
    iloc = box(b"iloc", bytes(6) + struct.pack(">H", 10_000) + rows)
    began = time.monotonic()
    assert _boxes.parse(meta_file([(1, b"av01")], b"", iloc)).coded_bytes == 100
    assert time.monotonic() - began < SECONDS


def test_thousands_of_items_and_references() -> None:
    items = [(n, b"av01") for n in range(1, 20_001)]
    references = b"".join(reference(b"thmb", n, 1) for n in range(2, 20_001))
    began = time.monotonic()
    assert _boxes.parse(meta_file(items, references)).copies() == {"thumbnail": 19_999}
    assert time.monotonic() - began < SECONDS


def test_sizes_of_items_are_sums_of_their_extents() -> None:
    rows = struct.pack(">HHH", 7, 0, 2) + struct.pack(">IIII", 0, 30, 90, 12)
    iloc = box(b"iloc", bytes(4) + b"\x44\0" + struct.pack(">H", 1) + rows)
    assert _boxes.parse(meta_file([(1, b"av01")], b"", iloc)).sizes == {1: 100, 7: 42}


def test_reasons_do_not_carry_the_files_bytes_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("broken\n\x1b[2J chunk \udce9 " + "x" * 500)

    monkeypatch.setattr(Image.Image, "load", fail)
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    said = verdict("png", encoded_png())
    assert said.startswith("png: broken ?[2J chunk ? xxx")
    assert len(said) < 200


def encoded_png() -> bytes:
    return png(64, 48, 8, 0, bytes(65 * 48))


def test_out_of_memory_is_a_reason_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    assert verdict("png", encoded_png()) == "png: not enough memory to decode it"


@pytest.mark.parametrize("name", SOURCES)
def test_the_same_bytes_whatever_was_written_in_between(name: str) -> None:
    format, source = SOURCES[name]
    data = source()
    first = written(read(format, data))
    written(Picture(np.zeros((8, 8, 3), np.uint8), format), Blocks())
    assert written(read(format, data)) == first
