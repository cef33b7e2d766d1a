"""HEIC through pillow-heif: the primary image only, already upright, as HEIC or as JPEG."""

import io
import struct
import sys
from typing import Any

import numpy as np
import pytest
from codec_rounds import ICC, XMP, again, apart, drawn, encoded, image, read, verdict, written
from PIL import Image

from unlearn.photos.blocks import Blocks
from unlearn.photos.codecs import _directories, heif
from unlearn.photos.sniffing import kind

pillow_heif = pytest.importorskip("pillow_heif")
STEADY = {"x265:pools": "none", "x265:frame-threads": "1", "x265:wpp": "0", "preset": "ultrafast"}


def made(*pictures: Image.Image, quality: int = 70, **options: Any) -> bytes:
    file = pillow_heif.HeifFile()
    for picture in pictures or (image(),):
        file.add_from_pillow(picture)
    stream = io.BytesIO()
    file.save(stream, quality=quality, enc_params=STEADY, **options)
    return stream.getvalue()


@pytest.mark.parametrize("quality", [50, 80])
def test_size_and_pixels_stay_near(quality: int) -> None:
    source = made(Image.fromarray(drawn(240, 320)), quality=quality)
    picture = read("heif", source)
    data = written(picture)
    assert kind(data[:4096], b"").format == "heif"
    assert 0.7 < len(data) / len(source) < 1.3
    assert np.abs(read("heif", data).pixels.astype(int) - picture.pixels).mean() < 4
    assert len(written(picture, quality=20)) < len(data) < len(written(picture, quality=99))


@pytest.mark.parametrize("chroma", ["420", "422", "444"])
def test_sampling_stays(chroma: str) -> None:
    picture = read("heif", made(chroma=chroma))
    assert picture.settings["chroma"] == chroma
    assert again(picture).settings["chroma"] == chroma


def test_gray_and_alpha_stay() -> None:
    gray = read("heif", made(image(1)))
    assert gray.pixels.shape[2] == again(gray).pixels.shape[2]
    assert apart(again(gray).pixels[..., 0], again(gray).pixels[..., -1]) == 0
    clear = image()
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    picture = read("heif", made(clear, quality=90))
    assert picture.alpha is not None
    assert not picture.copies
    back = again(picture)
    assert back.alpha is not None
    assert np.abs(back.alpha.astype(int) - picture.alpha).mean() < 6
    assert verdict("heif", made(clear), heic="jpeg") == "a photo with transparency cannot be written as JPEG"


@pytest.mark.parametrize("number", [1, 3, 6, 8])
def test_the_decoder_has_turned_it_and_nobody_turns_it_again(number: int) -> None:
    exif = _directories.block({0x0112: _directories.short(number)})
    picture = read("heif", made(exif=exif))
    assert picture.orientation == 1
    assert picture.pixels.shape[:2] == ((64, 48) if number in (6, 8) else (48, 64))
    assert _directories.orientation(picture.exif) == 1
    back = again(picture, Blocks(exif=picture.exif))
    assert back.pixels.shape == picture.pixels.shape
    assert np.abs(back.pixels.astype(int) - picture.pixels).mean() < 4


def test_blocks_come_back_and_nothing_else_does() -> None:
    exif = _directories.block({0x0110: _directories.short(5)})
    picture = read("heif", made(exif=exif, xmp=XMP))
    assert (picture.exif, picture.xmp) == (exif, XMP)
    bare = again(picture)
    assert (bare.exif, bare.xmp, bare.icc) == (None, None, None)
    back = again(picture, Blocks(exif=exif, xmp=XMP, icc=ICC))
    assert (back.exif, back.xmp, back.icc) == (exif, XMP, ICC)


def test_thumbnails_and_further_images_are_counted() -> None:
    picture = read("heif", made(image(), image(seed=1), thumbnails=[32]))
    assert picture.copies["further image"] == 1
    assert not again(picture).copies
    second = read("heif", made(image(), image(seed=1), primary_index=1))
    assert np.abs(second.pixels.astype(int) - drawn(seed=1)).mean() < 12  # the primary, not the first


def test_ten_bits_are_said() -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (48, 64, 3), dtype=np.uint16)
    file = pillow_heif.from_bytes("RGB;16", (64, 48), deep.tobytes())
    stream = io.BytesIO()
    file.save(stream, quality=80, enc_params=STEADY)
    picture = read("heif", stream.getvalue())
    assert picture.pixels.dtype == np.uint8
    assert any("bits are written as 8 bits" in note for note in picture.notes)


def test_as_jpeg() -> None:
    picture = read("heif", made())
    data = written(picture, Blocks(icc=ICC), heic="jpeg", quality=90)
    assert kind(data[:4096], b"x.heic").format == "jpeg"
    back = read("jpeg", data)
    assert np.abs(back.pixels.astype(int) - picture.pixels).mean() < 6
    assert back.icc == ICC


def test_limits_and_damage() -> None:
    data = made()
    assert heif.size(data) in ((64, 48), (64, 64))  # as coded: encoders fill up to whole blocks
    assert verdict("heif", data, max_pixels=3000).endswith("(max_pixels)")
    at = data.index(b"ispe") + 8
    assert "bomb" in verdict("heif", data[:at] + struct.pack(">II", 19_000, 19_000) + data[at + 8 :])
    for share in (0.0, 0.1, 0.5, 0.9):
        assert verdict("heif", data[: int(len(data) * share)]).startswith("heif: ")
    assert verdict("heif", encoded(image(), "PNG")) == "heif: not a file of this format"


def test_without_the_extra_it_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    data = made()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert verdict("heif", data) == 'HEIC needs pillow-heif, which is not installed: pip install "unlearn[heic]"'
