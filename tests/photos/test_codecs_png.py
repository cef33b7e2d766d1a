"""PNG: lossless with 8 and 16 bits; palettes and transparent colors; chunks; files that end early."""

import struct
import sys
import zlib

import numpy as np
import pytest
from codec_rounds import ICC, XMP, again, apart, deep, drawn, encoded, image, png, read, rows, verdict, written
from photo_plants import bare_exif, chunk, plain_jpeg, with_chunks
from PIL import Image

from unlearn.photos.blocks import Blocks
from unlearn.photos.codecs import _chunks
from unlearn.photos.codecs import png as codec
from unlearn.photos.picture import Damaged, LeftOut, Picture

COLORS = {1: 0, 2: 4, 3: 2, 4: 6}  # PNG's color type by the number of channels


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_kind_comes_back_exactly(channels: int, depth: int) -> None:
    samples = drawn(channels=channels) if depth == 8 else deep(channels)
    picture = read("png", png(64, 48, depth, COLORS[channels], rows(samples)))
    for found in (picture, again(picture)):
        colors = 1 if channels < 3 else 3
        assert apart(found.pixels, samples[..., :colors]) == 0
        assert (found.alpha is None) is (channels in (1, 3))
        assert found.alpha is None or apart(found.alpha, samples[..., -1]) == 0


def test_sixteen_bits_where_pillow_gives_eight() -> None:
    """Pillow opens 16-bit RGB as 8-bit RGB without a word."""
    samples = deep()
    picture = read("png", png(64, 48, 16, 2, rows(samples)))
    assert picture.levels == 65535
    picture.pixels[3, 4, 1] ^= 1
    assert apart(again(picture).pixels, samples) == 1


@pytest.mark.parametrize("depth", [2, 4])
def test_shallow_gray_becomes_eight_bits_with_its_transparent_color(depth: int) -> None:
    samples = np.arange(16, dtype=np.uint8).reshape(2, 8) % (1 << depth)
    packed = [
        b"\0" + int("".join(f"{value:0{depth}b}" for value in row), 2).to_bytes(depth, "big")
        for row in samples.tolist()
    ]
    clear = chunk(b"tRNS", struct.pack(">H", 2))
    picture = read("png", png(8, 2, depth, 0, b"".join(packed), clear))
    assert apart(picture.pixels[..., 0], samples * np.uint8(255 // ((1 << depth) - 1))) == 0
    assert picture.alpha is not None
    assert ((picture.alpha == 0) == (samples == 2)).all()
    assert len(picture.notes) == 2


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_color_becomes_alpha(channels: int, depth: int) -> None:
    samples = drawn(channels=channels) if depth == 8 else deep(channels)
    color = struct.pack(f">{channels}H", *samples[5, 6].tolist())
    picture = again(read("png", png(64, 48, depth, COLORS[channels], rows(samples), chunk(b"tRNS", color))))
    assert apart(picture.pixels, samples) == 0
    assert picture.alpha is not None
    assert picture.alpha.dtype == samples.dtype
    assert ((picture.alpha == 0) == (samples == samples[5, 6]).all(axis=2)).all()


@pytest.mark.parametrize(("gray", "clear"), [(True, False), (True, True), (False, False), (False, True)])
def test_palettes_become_what_they_show(gray: bool, clear: bool) -> None:
    source = (image(1) if gray else image()).quantize(32)
    data = encoded(source, "PNG", **({"transparency": 3} if clear else {}))
    picture = read("png", data)
    shown = np.asarray(source.convert("RGB"))[..., : 1 if gray else 3]
    assert apart(picture.pixels, shown) == 0
    assert (picture.alpha is not None) is clear
    assert not clear or ((picture.alpha == 0) == (np.asarray(source) == 3)).all()
    assert "palette" in picture.notes[0]


def test_color_under_full_transparency_is_kept() -> None:
    samples = drawn(channels=4)
    samples[..., 3] = 0
    assert apart(again(read("png", encoded(Image.fromarray(samples), "PNG"))).pixels, samples[..., :3]) == 0


def test_interlaced() -> None:
    samples = drawn(13, 11)
    passes = [samples[row::down, column::across] for row, column, down, across in _chunks.PASSES]
    raw = b"".join(rows(part) for part in passes if part.size)
    assert apart(read("png", png(11, 13, 8, 2, raw, interlaced=True)).pixels, samples) == 0
    assert verdict("png", png(11, 13, 8, 2, raw[:-34], interlaced=True)) == "png: the file is cut off"


def test_black_pictures_are_whole() -> None:
    for color, channels in ((0, 1), (2, 3)):
        assert not verdict("png", png(64, 48, 8, color, rows(np.zeros((48, 64, channels), np.uint8))))
    palette = chunk(b"PLTE", bytes(range(48)))
    assert not verdict("png", png(64, 48, 4, 3, rows(np.zeros((48, 32), np.uint8)), palette))


@pytest.mark.parametrize(("depth", "color"), [(8, 0), (8, 2), (8, 6), (16, 0), (16, 2), (4, 0)])
def test_compressed_rows_that_end_early_are_damage(depth: int, color: int) -> None:
    """Every chunk is whole and the check sums are right: Pillow shows black rows and says nothing."""
    whole = len(rows(np.zeros((48, 64 * {0: 1, 2: 3, 6: 4}[color] * depth // 8), np.uint8)))
    assert not verdict("png", png(64, 48, depth, color, bytes(whole)))
    for missing in (1, whole // 2):
        assert verdict("png", png(64, 48, depth, color, bytes(whole - missing)))


def test_blocks_and_color_chunks_come_back() -> None:
    color = [(b"gAMA", struct.pack(">I", 45455)), (b"pHYs", struct.pack(">IIB", 2835, 2835, 1)), (b"sRGB", b"\0")]
    picture = read("png", with_chunks(encoded(image(), "PNG"), *(chunk(*kept) for kept in color)))
    exif = bare_exif(plain_jpeg())
    back = again(picture, Blocks(exif=exif, xmp=XMP, icc=ICC))
    assert (back.exif, back.xmp, back.icc) == (exif, XMP, ICC)
    assert back.settings["chunks"] == color[:2]  # sRGB gives way to the profile
    assert (b"sRGB", b"\0") in again(picture).settings["chunks"]
    assert not back.dropped


def test_exif_in_text_as_old_programs_wrote_it() -> None:
    exif = bare_exif(plain_jpeg())
    lines = b"\nexif\n%8d\n" % len(exif) + exif.hex().encode()
    plain = chunk(b"tEXt", b"Raw profile type exif\0" + lines)
    packed = chunk(
        b"zTXt", b"Raw profile type APP1\0\0" + zlib.compress(b"\nexif\n   12\n" + (b"Exif\0\0" + exif).hex().encode())
    )
    for text in (plain, packed):
        assert read("png", png(64, 48, 8, 2, rows(drawn()), text)).exif == exif


def test_other_chunks_are_dropped_and_counted_under_harmless_names() -> None:
    extra = [chunk(b"tEXt", b"Comment\0x"), chunk(b"vpAg", b"1"), chunk(b"a\n\x1b[", b"2")]
    picture = read("png", png(64, 48, 8, 2, rows(drawn()), *extra))
    assert picture.dropped == {"text": 1, "vpAg chunk": 1, "unknown chunk": 1}
    assert not again(picture).dropped


def test_trailing_data_is_counted() -> None:
    data = encoded(image(), "PNG")
    assert read("png", data + plain_jpeg()).copies == {"trailing data": 1}
    assert not read("png", data + bytes(16)).copies
    assert written(read("png", data + plain_jpeg())) == written(read("png", data))


def test_left_out() -> None:
    moving = encoded(image(), "PNG", save_all=True, append_images=[image(seed=1)])
    assert verdict("png", moving) == "animated PNG"
    assert "bilevel" in verdict("png", encoded(image(1).convert("1"), "PNG"))
    assert "bomb" in verdict("png", png(60_000, 60_000, 8, 0, b"", chunk(b"tEXt", b"x\0")), max_pixels=10**10)
    with pytest.raises(LeftOut, match="max_pixels"):
        read("png", encoded(image(), "PNG"), max_pixels=64 * 48 - 1)
    assert not verdict("png", encoded(image(), "PNG"), max_pixels=64 * 48)


def test_text_that_inflates_without_end_is_not_read() -> None:
    bomb = chunk(b"iTXt", _chunks.XMP_KEY + b"\0\1\0\0\0" + zlib.compress(bytes(_chunks.MAX_INFLATED + 1)))
    assert read("png", png(64, 48, 8, 2, rows(drawn()), bomb)).xmp is None


def test_a_wrong_check_sum_and_missing_rows_are_damage() -> None:
    data = bytearray(encoded(image(), "PNG"))
    data[data.index(b"IDAT") + 40] ^= 1
    with pytest.raises(Damaged):
        read("png", bytes(data))
    with pytest.raises(Damaged, match="empty"):
        codec.size(b"")


def test_pictures_of_other_formats_can_be_written() -> None:
    picture = Picture(drawn(), "png")
    assert apart(again(picture).pixels, drawn()) == 0


def test_without_the_library_sixteen_bits_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    data = png(64, 48, 16, 2, rows(deep()))
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    assert verdict("png", data) == '16-bit PNG needs imagecodecs, which is not installed: pip install "imagecodecs"'
    assert not verdict("png", encoded(image(), "PNG"))
