"""JPEG: the source's tables, sampling and kind; what hides in and behind the file; Pillow's traps."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from codec_rounds import ICC, XMP, again, apart, drawn, encoded, image, read, verdict, written
from photo_plants import bare_exif, plain_jpeg, segment, with_segments
from PIL import Image, JpegImagePlugin

from unlearn.photos.blocks import Blocks
from unlearn.photos.codecs import _guard, _markers, jpeg
from unlearn.photos.picture import Damaged, LeftOut, Picture
from unlearn.photos.writing import Writing

TABLES = [[7 + n // 4 for n in range(64)], [11 + n // 3 for n in range(64)], [13 + n // 2 for n in range(64)]]


def sampled(across: int, down: int) -> bytes:
    """A JPEG with luma sampled `across` times `down`, as other programs than Pillow write it."""
    imagecodecs = pytest.importorskip("imagecodecs")
    return bytes(imagecodecs.jpeg8_encode(drawn(), level=85, subsampling=(across, down)))


def opened(data: bytes) -> Any:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_sampling_kind_and_tables_are_the_sources(subsampling: int, progressive: bool) -> None:
    source = encoded(image(), "JPEG", qtables=TABLES, subsampling=subsampling, progressive=progressive)
    data = written(read("jpeg", source))
    before, after = opened(source), opened(data)
    assert JpegImagePlugin.get_sampling(after) == subsampling
    assert after.quantization == before.quantization
    assert len(after.quantization) == 3
    assert bool(after.info.get("progressive")) is progressive


@pytest.mark.parametrize("options", [{"quality": 60}, {"quality": 85}, {"quality": 95, "subsampling": 0}])
def test_undisturbed_pixels_change_little_and_a_second_time_next_to_nothing(options: dict[str, Any]) -> None:
    first = read("jpeg", encoded(image(), "JPEG", **options))
    second = again(first)
    third = again(second)
    assert apart(first.pixels, second.pixels) <= 8
    assert np.abs(third.pixels.astype(int) - second.pixels).mean() < 0.5
    assert len(written(second)) < 1.02 * len(encoded(image(), "JPEG", **options)) + 50


def test_gray_is_exact_from_the_second_time_on() -> None:
    first = again(read("jpeg", encoded(image(1), "JPEG", quality=80)))
    assert first.pixels.shape == (48, 64, 1)
    assert apart(again(first).pixels, first.pixels) <= 1
    assert opened(written(first)).mode == "L"


def test_gray_stored_as_color_stays_gray() -> None:
    picture = again(read("jpeg", encoded(image(1).convert("RGB"), "JPEG", quality=80)))
    assert apart(picture.pixels[..., 0], picture.pixels[..., 2]) == 0


@pytest.mark.parametrize(("across", "down", "name"), [(1, 2, "4:4:0"), (4, 1, "4:1:1")])
def test_rare_sampling_loses_no_color_and_is_said(across: int, down: int, name: str) -> None:
    source = sampled(across, down)
    assert JpegImagePlugin.get_sampling(opened(source)) == -1  # which would make Pillow write 4:2:0
    picture = read("jpeg", source)
    assert picture.notes == (f"{name} sampling is written as 4:4:4",)
    assert JpegImagePlugin.get_sampling(opened(written(picture))) == 0


@pytest.mark.parametrize(("across", "down", "sampling"), [(1, 1, 0), (2, 1, 1), (2, 2, 2)])
def test_common_sampling_of_other_programs(across: int, down: int, sampling: int) -> None:
    picture = read("jpeg", sampled(across, down))
    assert not picture.notes
    assert JpegImagePlugin.get_sampling(opened(written(picture))) == sampling


@pytest.mark.parametrize("optimize", [False, True])
def test_huffman_tables_are_made_for_the_picture_only_where_the_source_had_such(optimize: bool) -> None:
    picture = read("jpeg", encoded(image(), "JPEG", optimize=optimize))
    assert picture.settings["optimize"] is optimize
    assert read("jpeg", written(picture)).settings["optimize"] is optimize


def test_stored_rgb_and_resolution_stay() -> None:
    picture = again(read("jpeg", encoded(image(), "JPEG", keep_rgb=True, subsampling=0)))
    assert picture.settings["keep_rgb"]
    assert again(read("jpeg", encoded(image(), "JPEG", dpi=(300, 200)))).settings["dpi"] == (300, 200)


def test_strong_noise_at_high_quality_still_fits() -> None:
    """Pillow's buffer was too small for that when a progressive file got larger than its guess."""
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    picture = Picture(noise, "jpeg", settings={"quality": 100, "subsampling": 0, "progressive": True})
    assert apart(again(picture).pixels, noise) < 20


def test_blocks_come_back_and_nothing_else_does() -> None:
    source = with_segments(plain_jpeg(comment=b"in the garden"), segment(0xEC, b"Ducky\0"))
    picture = read("jpeg", source)
    assert picture.dropped["comment"] == 1
    assert again(picture).dropped == {}
    assert (again(picture).exif, again(picture).xmp, again(picture).icc) == (None, None, None)
    exif = bare_exif(plain_jpeg())
    back = again(picture, Blocks(exif=exif, xmp=XMP, icc=ICC * 2000))  # several segments long
    assert (back.exif, back.xmp, back.icc) == (exif, XMP, ICC * 2000)


@pytest.mark.parametrize("blocks", [Blocks(exif=b"II*\0" + bytes(65530)), Blocks(xmp=bytes(65510))])
def test_a_block_that_does_not_fit_is_said(blocks: Blocks) -> None:
    with pytest.raises(LeftOut, match="longer than a JPEG segment"):
        written(read("jpeg", plain_jpeg()), blocks)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("stored", "expected"), [(6, 6), (8, 8), (0, 1), (9, 1)])
def test_orientation_is_read_and_pixels_are_not_turned(order: str, stored: int, expected: int) -> None:
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    exif = start + struct.pack(order + "HHHIHHI", 1, 0x0112, 3, 1, stored, 0, 0)
    picture = read("jpeg", encoded(image(), "JPEG", exif=b"Exif\0\0" + exif))
    assert picture.orientation == expected
    assert picture.pixels.shape == (48, 64, 3)


def test_alpha_is_not_put_into_a_jpeg() -> None:
    clear = Picture(drawn(), "jpeg", alpha=drawn()[..., 0])
    with pytest.raises(LeftOut, match="transparency"):
        written(clear)


@pytest.mark.parametrize(
    ("tail", "kind"),
    [
        (plain_jpeg(), "preview"),
        (encoded(image(1), "JPEG", xmp=b'<x hdrgm:Version="1.0"/>'), "gain map"),
        (b"\0\0\0\x14ftypmp42\0\0\0\0isom" + bytes(range(256)), "motion video"),
        (b"a depth map of some maker", "trailing data"),
        (b"\xff\xd8\xff\xe0 cut off", "preview"),
    ],
)
def test_what_hides_behind_the_picture_is_counted(tail: bytes, kind: str) -> None:
    picture = read("jpeg", plain_jpeg() + tail)
    assert picture.copies == {kind: 1}
    assert read("jpeg", written(picture)).copies == {}
    assert written(picture) == written(read("jpeg", plain_jpeg()))


def test_padding_is_no_copy() -> None:
    assert not read("jpeg", plain_jpeg() + bytes(512)).copies


@pytest.mark.parametrize(
    ("marker", "payload", "kind"),
    [
        (0xE0, b"JFXX\0\x10" + plain_jpeg()[:60], "JFIF thumbnail"),
        (0xE0, b"JFIF\0\1\2\0\0\1\0\1\1\1" + b"RGB", "JFIF thumbnail"),
        (0xE2, b"FPXR\0" + bytes(20), "FlashPix preview"),
        (0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(60), "extended XMP"),
        (0xED, b"Photoshop 3.0\x008BIM\x04\x0c" + bytes(20), "Photoshop preview"),
    ],
)
def test_what_hides_in_segments_is_counted(marker: int, payload: bytes, kind: str) -> None:
    picture = read("jpeg", with_segments(plain_jpeg(), segment(marker, payload)))
    assert picture.copies == {kind: 1}
    assert not read("jpeg", written(picture)).copies


def test_a_thousand_small_pictures_behind_one_take_no_time() -> None:
    """Each would cost a look at all that follows it."""
    tiny = encoded(Image.new("L", (1, 1)), "JPEG")
    copies = read("jpeg", plain_jpeg() + tiny * 20_000).copies
    assert copies["preview"] == 32
    assert copies["trailing data"] == 1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_half_a_photo_is_damaged(share: float) -> None:
    data = plain_jpeg()
    with pytest.raises(Damaged):
        read("jpeg", data[: int(len(data) * share)])


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.85])
@pytest.mark.parametrize(
    "options", [{}, {"subsampling": 0}, {"keep_rgb": True}, {"gray": True}, {"restart_marker_blocks": 2}]
)
def test_half_a_photo_with_an_end_marker_is_damaged(share: float, options: dict[str, Any]) -> None:
    """The decoder fills the rest with gray and says nothing."""
    options = dict(options)
    data = encoded(image(1 if options.pop("gray", False) else 3), "JPEG", quality=90, **options)
    start = _markers.header(data).scan
    cut = data[: start + int((len(data) - start) * share)]
    assert verdict("jpeg", cut + b"\xff\xd9") == "jpeg: the file is cut off"


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 1}, {"optimize": True}])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_gray_photos_are_whole(mode: str, options: dict[str, Any]) -> None:
    flat = Image.new(mode, (50, 30), "#808080")
    assert not verdict("jpeg", encoded(flat, "JPEG", **options))
    flat.paste(image().convert(mode), (-20, -20))
    assert not verdict("jpeg", encoded(flat, "JPEG", **options) + bytes(9))


def test_limits_are_read_from_the_header() -> None:
    """Pillow itself warns above 89 megapixels, and refuses the photos of phones with 200."""
    data = bytearray(plain_jpeg())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", 12_000, 16_650)
    assert jpeg.size(bytes(data)) == (16_650, 12_000)
    assert verdict("jpeg", bytes(data)).endswith("a decompression bomb, not decoded")
    assert verdict("jpeg", bytes(data), max_pixels=199_000_000).endswith("(max_pixels)")
    _guard.check_size((16_650, 12_000), 30_000_000, Writing())


def test_cmyk_and_arithmetic_coding() -> None:
    assert "CMYK" in verdict("jpeg", encoded(image().convert("CMYK"), "JPEG"))
    assert verdict("jpeg", b"\x89PNG\r\n\x1a\n") == "jpeg: not a file of this format"
