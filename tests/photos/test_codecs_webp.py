"""WebP: lossless stays lossless, lossy keeps its size, alpha is never changed."""

import struct
from typing import Any

import numpy as np
import pytest
from codec_rounds import ICC, XMP, again, apart, drawn, encoded, image, read, verdict, written
from photo_plants import bare_exif, plain_jpeg
from PIL import Image

from unlearn.photos.blocks import Blocks
from unlearn.photos.codecs import webp
from unlearn.photos.picture import Picture


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP of these chunks."""
    body = b"".join(kind + struct.pack("<I", len(c)) + c + b"\0" * (len(c) % 2) for kind, c in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def extended(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    """The header of files with more than a picture."""
    return b"VP8X", bytes((flags, 0, 0, 0)) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")


def only(data: bytes, *kinds: bytes) -> list[tuple[bytes, bytes]]:
    return [(kind, content) for kind, content in webp._chunks(data).items() if kind in kinds]


@pytest.mark.parametrize("channels", [3, 4])
def test_lossless_comes_back_exactly(channels: int) -> None:
    picture = read("webp", encoded(image(channels), "WEBP", lossless=True, exact=True))
    for found in (picture, again(picture)):
        assert apart(found.pixels, drawn(channels=channels)[..., :3]) == 0
        assert (found.alpha is None) is (channels == 3)
        assert found.alpha is None or apart(found.alpha, drawn(channels=4)[..., 3]) == 0
        assert found.settings == {"lossless": True}


@pytest.mark.parametrize("quality", [40, 75, 92])
def test_lossy_keeps_its_size_and_stays_near(quality: int) -> None:
    source = encoded(Image.fromarray(drawn(240, 320)), "WEBP", quality=quality)
    picture = read("webp", source)
    data = written(picture)
    assert 0.7 < len(data) / len(source) < 1.15
    assert np.abs(read("webp", data).pixels.astype(int) - picture.pixels).mean() < 4
    assert len(written(picture, quality=20)) < len(data) < len(written(picture, quality=100))


def test_alpha_of_a_lossy_file_is_exact() -> None:
    picture = read("webp", encoded(image(4), "WEBP", quality=70))
    assert picture.alpha is not None
    back = again(picture)
    assert back.alpha is not None
    assert apart(back.alpha, picture.alpha) == 0


def test_color_under_full_transparency_is_kept() -> None:
    samples = drawn(channels=4)
    samples[..., 3] = 0
    picture = again(read("webp", encoded(Image.fromarray(samples), "WEBP", lossless=True, exact=True)))
    assert apart(picture.pixels, samples[..., :3]) == 0


def test_blocks_come_back_and_nothing_else_does() -> None:
    exif = bare_exif(plain_jpeg())
    source = encoded(image(), "WEBP", exif=b"Exif\0\0" + exif, xmp=XMP, icc_profile=ICC)
    picture = read("webp", source)
    assert (picture.exif, picture.xmp, picture.icc) == (exif, XMP, ICC)
    bare = again(picture)
    assert (bare.exif, bare.xmp, bare.icc) == (None, None, None)
    back = again(picture, Blocks(exif=exif, xmp=XMP, icc=ICC))
    assert (back.exif, back.xmp, back.icc) == (exif, XMP, ICC)


def test_orientation_is_read_and_pixels_are_not_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    picture = read("webp", encoded(image(), "WEBP", exif=exif))
    assert picture.orientation == 8
    assert picture.pixels.shape == (48, 64, 3)


def test_other_chunks_and_what_follows_are_counted() -> None:
    frame = only(encoded(image(), "WEBP"), b"VP8 ")
    picture = read("webp", riff(extended(64, 48), *frame, (b"JUMB", b"x"), (b"a\n\x1b[", b"")) + plain_jpeg())
    assert picture.dropped == {"JUMB chunk": 1, "unknown chunk": 1}
    assert picture.copies == {"trailing data": 1}
    assert not again(picture).dropped
    assert not again(picture).copies


def test_left_out_and_limits() -> None:
    moving = encoded(image(), "WEBP", save_all=True, append_images=[image(seed=1)])
    assert verdict("webp", moving) == "animated WebP"
    assert verdict("webp", encoded(image(), "WEBP"), max_pixels=3000) == "64x48 pixels, more than 3,000 (max_pixels)"
    frame = only(encoded(image(), "WEBP"), b"VP8 ")
    assert "bomb" in verdict("webp", riff(extended(16_000, 16_000), *frame))


@pytest.mark.parametrize("options", [{"quality": 80}, {"lossless": True}])
def test_a_frame_larger_than_its_canvas_is_damage(options: dict[str, Any]) -> None:
    """Otherwise the header's size would say nothing about the memory that is needed."""
    frame = only(encoded(image(), "WEBP", **options), b"VP8 ", b"VP8L")
    assert verdict("webp", riff(extended(8, 8), *frame)).startswith("webp: ")


@pytest.mark.parametrize("options", [{"quality": 80}, {"lossless": True}])
def test_size_is_the_pictures(options: dict[str, Any]) -> None:
    for picture in (image(), image(4)):
        assert webp.size(encoded(picture, "WEBP", **options)) == (64, 48)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_half_a_photo_is_damaged(share: float) -> None:
    data = encoded(image(), "WEBP")
    assert verdict("webp", data[: int(len(data) * share)]).startswith("webp: ")


def test_no_picture() -> None:
    assert verdict("webp", riff((b"EXIF", b"x"))) == "webp: there is no picture in it"
    assert verdict("webp", b"") == "webp: empty file"
    assert apart(again(Picture(drawn(), "webp")).pixels, drawn()) < 60
