"""AVIF: the primary image, near the source's size, orientation in the container. BMP: lossless, without metadata."""

import struct
from typing import Any

import numpy as np
import pytest
from codec_rounds import ICC, XMP, again, apart, drawn, encoded, image, read, verdict, written
from photo_plants import box, meta_file, plain_jpeg, reference
from PIL import Image, features

from unlearn.photos.blocks import Blocks
from unlearn.photos.codecs import _boxes, _directories, avif, bmp
from unlearn.photos.picture import Damaged, Picture

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
STEADY = {"max_threads": 1, "autotiling": False, "speed": 9}


def made(picture: Image.Image, **options: Any) -> bytes:
    return encoded(picture, "AVIF", **{**STEADY, **options})


@needs_avif
@pytest.mark.parametrize("quality", [50, 80])
def test_avif_keeps_its_size_and_stays_near(quality: int) -> None:
    source = made(Image.fromarray(drawn(240, 320)), quality=quality)
    picture = read("avif", source)
    data = written(picture)
    assert 0.7 < len(data) / len(source) < 1.2
    assert np.abs(read("avif", data).pixels.astype(int) - picture.pixels).mean() < 4
    assert len(written(picture, quality=20)) < len(data) < len(written(picture, quality=99))


@needs_avif
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:0:0"])
def test_avif_keeps_its_sampling(subsampling: str) -> None:
    picture = read("avif", made(image(), subsampling=subsampling))
    assert picture.settings["subsampling"] == subsampling
    assert again(picture).settings["subsampling"] == subsampling
    if subsampling == "4:0:0":
        assert again(picture).pixels.shape == (48, 64, 1)


@needs_avif
def test_avif_keeps_alpha() -> None:
    clear = image()
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    picture = read("avif", made(clear, quality=90))
    assert picture.alpha is not None
    assert not picture.copies
    back = again(picture)
    assert back.alpha is not None
    assert np.abs(back.alpha.astype(int) - picture.alpha).mean() < 6
    assert not back.copies


@needs_avif
@pytest.mark.parametrize("number", range(1, 9))
def test_avif_orientation_lives_in_the_container(number: int) -> None:
    picture = read("avif", made(image(), exif=_directories.block({0x0112: _directories.short(number)})))
    assert picture.orientation == number
    assert picture.pixels.shape == (48, 64, 3)  # as stored: the decoder has not turned them
    assert again(picture).orientation == number
    assert avif.size(written(picture)) == (64, 48)


@needs_avif
def test_avif_blocks_come_back_and_nothing_else_does() -> None:
    exif = _directories.block({0x0110: _directories.short(5)})
    picture = read("avif", made(image(), exif=exif, xmp=XMP, icc_profile=ICC))
    assert (picture.exif, picture.xmp, picture.icc) == (exif, XMP, ICC)
    bare = again(picture)
    assert (bare.exif, bare.xmp, bare.icc) == (None, None, None)
    back = again(picture, Blocks(exif=exif, xmp=XMP, icc=ICC))
    assert (back.exif, back.xmp, back.icc) == (exif, XMP, ICC)


@needs_avif
def test_avif_left_out_and_damaged() -> None:
    moving = made(image(), save_all=True, append_images=[image(seed=1)])
    assert verdict("avif", moving) == "animated AVIF"
    data = made(image())
    assert verdict("avif", data, max_pixels=3000).endswith("(max_pixels)")
    for share in (0.1, 0.5, 0.95):
        assert verdict("avif", data[: int(len(data) * share)]).startswith("avif: ")
    at = data.index(b"ispe") + 8
    assert "bomb" in verdict("avif", data[:at] + struct.pack(">II", 16_000, 16_000) + data[at + 8 :])
    hdr = data.replace(b"nclx\0\1\0\r", b"nclx\0\t\0\x10")
    assert hdr != data
    assert verdict("avif", hdr).startswith("HDR (PQ or HLG) AVIF")


def container(kind: bytes, items: int, references: bytes, urn: bytes = b"") -> _boxes.Container:
    """What the boxes say: item 1 is the picture, the others are `kind`."""
    properties = box(b"ipco", box(b"ispe", bytes(4) + struct.pack(">II", 64, 48)) + box(b"auxC", bytes(4) + urn))
    properties += box(b"ipma", bytes(4) + struct.pack(">IHBBHBB", 2, 1, 1, 1, 2, 1, 2))
    listed = [(1, b"av01"), *((number, kind) for number in range(2, items + 1))]
    return _boxes.parse(meta_file(listed, references, box(b"iprp", properties)))


@pytest.mark.parametrize(
    ("kind", "references", "urn", "expected"),
    [
        (b"av01", b"", b"", {"further image": 1}),
        (b"av01", reference(b"thmb", 2, 1), b"", {"thumbnail": 1}),
        (b"av01", reference(b"auxl", 2, 1), b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", {}),
        (b"av01", reference(b"auxl", 2, 1), b"urn:mpeg:mpegB:cicp:systems:auxiliary:depth\0", {"depth map": 1}),
        (b"hvc1", reference(b"auxl", 2, 1), b"urn:com:apple:photo:2020:aux:hdrgainmap\0", {"gain map": 1}),
        (b"hvc1", reference(b"auxl", 2, 1), b"urn:com:apple:photo:2019:aux:skinmatte\0", {"auxiliary image": 1}),
        (b"tmap", b"", b"", {"gain map": 1}),
        (b"av01", reference(b"dimg", 1, 2), b"", {}),  # a tile
        (b"Exif", b"", b"", {}),
    ],
)
def test_other_images_in_the_boxes_are_counted(
    kind: bytes, references: bytes, urn: bytes, expected: dict[str, int]
) -> None:
    found = container(kind, 2, references, urn)
    assert found.size == (64, 48)
    assert found.copies() == expected


def test_boxes_that_are_none() -> None:
    for data in (b"", b"\0\0\0\x08ftyp", box(b"ftyp", b"avif") + box(b"meta", bytes(4)), b"\0\0\0\0ftypavif"):
        with pytest.raises(Damaged):
            _boxes.parse(data)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_bmp_comes_back_exactly(channels: int) -> None:
    picture = read("bmp", encoded(image(channels), "BMP", dpi=(300, 300)))
    back = again(picture)
    assert apart(back.pixels, drawn(channels=channels)[..., :3]) == 0
    assert (back.alpha is None) is (picture.alpha is None)
    assert tuple(map(round, back.settings["dpi"])) == (300, 300)


def test_bmp_palettes() -> None:
    for source, channels in ((image().quantize(16), 3), (image(1).quantize(16), 1)):
        picture = read("bmp", encoded(source, "BMP"))
        assert apart(picture.pixels, np.asarray(source.convert("RGB"))[..., :channels]) == 0
        assert picture.notes


def test_bmp_from_top_to_bottom_and_the_oldest_header() -> None:
    rows = drawn(4, 4)[..., ::-1].tobytes()
    oldest = b"BM" + struct.pack("<IHHIIHHHH", 26 + 48, 0, 0, 26, 12, 4, 4, 1, 24) + rows
    downward = b"BM" + struct.pack("<IHHIIiiHHIIIIII", 54 + 48, 0, 0, 54, 40, 4, -4, 1, 24, 0, 48, 0, 0, 0, 0) + rows
    assert bmp.size(oldest) == bmp.size(downward) == (4, 4)
    assert apart(read("bmp", oldest).pixels, drawn(4, 4)[::-1]) == 0
    assert apart(read("bmp", downward).pixels, drawn(4, 4)) == 0


def test_bmp_trailing_data_limits_and_damage() -> None:
    data = encoded(image(), "BMP")
    assert read("bmp", data + plain_jpeg()).copies == {"trailing data": 1}
    assert not read("bmp", data + bytes(9)).copies
    assert not read("bmp", data[:2] + bytes(4) + data[6:]).copies  # no size in the header
    assert written(read("bmp", data + plain_jpeg())) == written(read("bmp", data))
    assert "bilevel" in verdict("bmp", encoded(image().convert("1"), "BMP"))
    assert verdict("bmp", data, max_pixels=3000).endswith("(max_pixels)")
    assert "bomb" in verdict("bmp", data[:18] + struct.pack("<ii", 19_000, 19_000) + data[26:])
    assert verdict("bmp", data[: len(data) // 2]).startswith("bmp: ")
    assert verdict("bmp", b"") == "bmp: empty file"
    assert verdict("bmp", data[:18] + struct.pack("<ii", -4, 4) + data[26:]) == "-4x4 pixels: nothing to decode"


def test_bmp_gray_with_alpha_becomes_color() -> None:
    gray = Picture(drawn(channels=1), "bmp", alpha=drawn()[..., 0])
    assert apart(again(gray).pixels[..., 1], gray.pixels[..., 0]) == 0
