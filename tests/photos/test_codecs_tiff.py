"""TIFF: lossless with 8 and 16 bits, the source's compression, one picture a file, metadata in its own directory."""

import io
import struct
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from codec_rounds import ICC, XMP, again, apart, deep, drawn, encoded, image, read, verdict, written
from numpy.typing import NDArray
from photo_plants import bare_exif, plain_jpeg

from unlearn.photos.blocks import Blocks
from unlearn.photos.codecs import _directories, tiff
from unlearn.photos.picture import Damaged, Picture

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")
Tags = Sequence[tuple[int, int, int, Any, bool]]


def made(samples: NDArray[Any], tags: Tags = (), **options: Any) -> bytes:
    """A TIFF of these samples (H, W, C); RGB or gray unless told otherwise."""
    channels = samples.shape[-1]
    options = {"photometric": "rgb" if channels > 2 else "minisblack", **options}
    if channels in (2, 4) and "extrasamples" not in options and options["photometric"] in ("rgb", "minisblack"):
        options["extrasamples"] = [2]
    stream = io.BytesIO()
    flat = samples if channels > 1 else samples[..., 0]
    tifffile.imwrite(stream, flat, metadata=None, software=False, extratags=tags, **options)
    return stream.getvalue()


def patched(data: bytes, **values: int) -> bytes:
    """The file with other numbers in tags of its first directory."""
    changed = bytearray(data)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        for name, value in values.items():
            at = file.pages[0].tags[name].offset
            changed[at + 2 : at + 12] = struct.pack("<HII", 4, 1, value)
    return bytes(changed)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [8, 16])
def test_every_kind_comes_back_exactly(channels: int, depth: int, compression: str | None) -> None:
    samples = drawn(channels=channels) if depth == 8 else deep(channels)
    source = made(samples, compression=compression, predictor=compression in ("zlib", "lzw"))
    picture = read("tiff", source)
    for found in (picture, again(picture)):
        colors = 1 if channels < 3 else 3
        assert apart(found.pixels, samples[..., :colors]) == 0
        assert (found.alpha is None) is (channels in (1, 3))
        assert found.alpha is None or apart(found.alpha, samples[..., -1]) == 0
        assert found.settings == picture.settings
    with tifffile.TiffFile(io.BytesIO(written(picture))) as file, tifffile.TiffFile(io.BytesIO(source)) as first:
        assert file.pages[0].compression == first.pages[0].compression
        assert file.pages[0].predictor == first.pages[0].predictor
        assert len(file.pages) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"byteorder": ">"},
        {"bigtiff": True},
        {"tile": (16, 16)},
        {"rowsperstrip": 5},
        {"rowsperstrip": 7, "compression": "zlib"},
    ],
)
@pytest.mark.parametrize("depth", [8, 16])
def test_layouts(options: dict[str, Any], depth: int) -> None:
    samples = drawn() if depth == 8 else deep()
    picture = again(read("tiff", made(samples, **options)))
    assert apart(picture.pixels, samples) == 0


def test_planes() -> None:
    planes = np.ascontiguousarray(np.moveaxis(drawn(), 2, 0))
    stream = io.BytesIO()
    tifffile.imwrite(stream, planes, photometric="rgb", planarconfig="separate", metadata=None)
    assert apart(again(read("tiff", stream.getvalue())).pixels, drawn()) == 0


@pytest.mark.parametrize("depth", [8, 16])
def test_white_as_zero_is_turned_round(depth: int) -> None:
    samples = drawn(channels=1) if depth == 8 else deep(1)
    picture = read("tiff", made(samples, photometric="miniswhite"))
    assert apart(picture.pixels, np.iinfo(samples.dtype).max - samples) == 0
    assert picture.notes == ("gray is written with black as zero",)
    assert apart(again(picture).pixels, picture.pixels) == 0


def test_palette() -> None:
    colors = np.random.default_rng(0).integers(0, 256, (3, 256), dtype=np.uint16) * 257
    indices = drawn(channels=1)
    picture = read("tiff", made(indices, photometric="palette", colormap=colors))
    assert apart(picture.pixels, (colors // 257).astype(np.uint8).T[indices[..., 0]]) == 0
    assert picture.notes == ("a palette is written as RGB",)


def test_blocks_orientation_and_resolution_come_back() -> None:
    tags: Tags = [(274, 3, 1, 6, True), (700, 1, len(XMP), XMP, True), (271, 2, 5, "Acme", True)]
    source = made(drawn(), tags, iccprofile=ICC, resolution=(300, 200))
    picture = read("tiff", source)
    assert (picture.orientation, picture.xmp, picture.icc) == (6, XMP, ICC)
    assert picture.exif
    assert b"Acme" in picture.exif
    bare = again(picture)
    assert (bare.orientation, bare.xmp, bare.icc) == (6, None, None)
    assert bare.settings["resolution"] == picture.settings["resolution"]
    assert bare.exif is None or b"Acme" not in bare.exif
    back = again(picture, Blocks(exif=picture.exif, xmp=XMP, icc=ICC))
    assert (back.orientation, back.xmp, back.icc) == (6, XMP, ICC)
    assert back.exif
    assert b"Acme" in back.exif


def test_structure_is_never_taken_from_an_exif_block() -> None:
    """A block that says 10 pixels wide and names a thumbnail must not change the file it is put into."""
    short = _directories.short
    wrong = _directories.block({256: short(10), 257: short(10), 513: short(8), 514: short(99), 271: short(5)})
    back = again(Picture(drawn(), "tiff"), Blocks(exif=wrong))
    assert apart(back.pixels, drawn()) == 0
    assert back.exif
    assert set(_directories.read(back.exif)) - {282, 283, 296} == {271}  # the resolution is the file's own


def test_exif_with_sub_directories_survives_the_move() -> None:
    picture = read("jpeg", encoded(image(), "JPEG", exif=b"Exif\0\0" + bare_exif(plain_jpeg())))
    exif = _directories.read(picture.exif or b"")
    back = again(Picture(drawn(), "tiff"), Blocks(exif=_directories.block(exif)))
    assert back.exif
    kept = {tag for tag in exif if tag != 0x0112}
    assert kept <= set(_directories.read(back.exif)) | {282, 283, 296}


def test_previews_are_counted_and_pages_left_out() -> None:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        file.write(drawn(), photometric="rgb", metadata=None)
        file.write(drawn(12, 16), photometric="rgb", subfiletype=1, metadata=None)
    picture = read("tiff", stream.getvalue())
    assert picture.copies == {"preview": 1}
    assert not again(picture).copies
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as file:
        for _ in range(3):
            file.write(drawn(), photometric="rgb", metadata=None)
    assert verdict("tiff", stream.getvalue()) == "TIFF with 3 pages"


@pytest.mark.parametrize(
    ("tag", "kind", "content"),
    [
        (34377, "Photoshop preview", b"8BIM\x04\x0c" + bytes(30)),
        (37724, "Photoshop layers", b"Adobe Photoshop Document Data Block\0"),
    ],
)
def test_photoshop_blocks_are_counted(tag: int, kind: str, content: bytes) -> None:
    picture = read("tiff", made(drawn(), [(tag, 7, len(content), content, True)]))
    assert picture.copies == {kind: 1}
    assert content not in written(picture)


@pytest.mark.parametrize(
    ("samples", "options", "reason"),
    [
        (np.zeros((48, 64, 1), np.bool_), {}, "bilevel"),
        (np.zeros((48, 64, 3), np.float32), {}, "32-bit"),
        (np.zeros((48, 64, 1), np.int16), {}, "16-bit samples of kind"),
        (drawn(channels=4), {"photometric": "separated"}, "CMYK"),
        (np.zeros((48, 64, 5), np.uint8), {"extrasamples": [0, 0]}, "5 channels"),
        (drawn(), {"compression": "zstd"}, "compression ZSTD"),
        (drawn(), {"compression": "jpeg"}, "unusual color kind (6)"),
        (drawn(), {"photometric": "cielab"}, "unusual color kind"),
    ],
)
def test_left_out(samples: NDArray[Any], options: dict[str, Any], reason: str) -> None:
    assert reason in verdict("tiff", made(samples, **options))


def test_limits() -> None:
    data = made(drawn(), compression="zlib")
    assert verdict("tiff", patched(data, ImageWidth=60_000, ImageLength=60_000)).endswith("(max_pixels)")
    assert "bomb" in verdict("tiff", patched(data, ImageWidth=19_000, ImageLength=19_000))
    tiled = made(drawn(), tile=(64, 64), compression="zlib")
    assert verdict("tiff", patched(tiled, TileWidth=60_000, TileLength=60_000)) == "tiff: tiles of 60000x60000 pixels"
    assert tiff.size(data) == (64, 48)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits"])
def test_missing_strips_are_damage_not_black(compression: str | None) -> None:
    data = made(drawn(), compression=compression, rowsperstrip=48)
    assert not verdict("tiff", patched(data, RowsPerStrip=0xFFFFFFFF))
    assert verdict("tiff", patched(data, ImageLength=200)) == "tiff: the file is cut off"
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        count = file.pages[0].databytecounts[0]
    assert verdict("tiff", patched(data, StripByteCounts=count // 2)).startswith("tiff: ")


def test_a_loop_of_directories_ends() -> None:
    data = bytearray(made(drawn()))
    at = struct.unpack_from("<I", data, 4)[0]
    struct.pack_into("<I", data, at + 2 + 12 * struct.unpack_from("<H", data, at)[0], at)
    assert verdict("tiff", bytes(data)) in ("", "TIFF with 2 pages")
    with pytest.raises(Damaged, match="empty"):
        read("tiff", b"")


def test_without_the_libraries_it_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, packed = made(drawn()), made(drawn(), compression="lzw")
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    assert verdict("tiff", packed).endswith('needs imagecodecs, which is not installed: pip install "imagecodecs"')
    assert not verdict("tiff", plain)
    monkeypatch.setitem(sys.modules, "tifffile", None)
    assert verdict("tiff", plain) == 'TIFF needs tifffile, which is not installed: pip install "tifffile"'
