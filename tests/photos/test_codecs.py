"""The contract of every codec, over the committed samples: exact where lossless, the same kind, hostile bytes."""

import io
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image, JpegImagePlugin

from unlearn.photos.blocks import Blocks
from unlearn.photos.codecs import codec, names
from unlearn.photos.picture import Damaged, LeftOut, Picture
from unlearn.photos.sniffing import kind
from unlearn.photos.writing import Writing

pytest.importorskip("pillow_heif")
SAMPLES = ROOT / "data" / "photos"


def readable() -> Iterator[tuple[str, str]]:
    """Names and formats of the samples that can be protected."""
    for path in sorted(SAMPLES.iterdir()):
        data = path.read_bytes()
        found = kind(data[:4096], path.name.encode())
        if found.photo:
            try:
                codec(found.format).read(data, Writing())
            except (LeftOut, Damaged):
                continue
            yield path.name, found.format


READABLE = list(readable())


def read(name: str, **writing: object) -> Picture:
    data = (SAMPLES / name).read_bytes()
    return codec(kind(data[:4096], name.encode()).format).read(data, Writing(**writing))  # type: ignore[arg-type]


def again(picture: Picture, blocks: Blocks = Blocks(), **writing: object) -> tuple[bytes, Picture]:
    module = codec(picture.format)
    data = module.write(picture, blocks, Writing(**writing))  # type: ignore[arg-type]
    return data, module.read(data, Writing())


def test_every_codec_has_a_sample() -> None:
    assert {format for _, format in READABLE} == set(names())


@pytest.mark.parametrize(("name", "format"), READABLE)
def test_contract(name: str, format: str) -> None:
    picture, module = read(name), codec(format)
    assert picture.format == format
    assert picture.pixels.flags["C_CONTIGUOUS"]
    assert picture.pixels.flags["WRITEABLE"]
    assert picture.pixels.ndim == 3
    assert picture.pixels.shape[2] in (1, 3)
    assert module.size((SAMPLES / name).read_bytes()) in (picture.pixels.shape[1::-1], picture.pixels.shape[:2])
    data, back = again(picture)
    assert data == again(picture)[0]
    assert kind(data[:4096], b"x").format == format
    assert back.pixels.shape == picture.pixels.shape
    assert back.pixels.dtype == picture.pixels.dtype
    assert not +back.copies
    change = np.abs(back.pixels.astype(int) - picture.pixels)
    if module.LOSSLESS or picture.settings.get("lossless"):
        assert change.max() == 0
    else:
        assert change.mean() < 4
    if picture.alpha is None:
        assert back.alpha is None
    elif format != "avif":
        assert back.alpha is not None
        assert np.abs(back.alpha.astype(int) - picture.alpha).max() <= (0 if module.LOSSLESS else 2)


@pytest.mark.parametrize("name", [name for name, format in READABLE if format == "jpeg"])
def test_jpeg_keeps_the_sources_tables_and_changes_next_to_nothing(name: str) -> None:
    data, back = again(read(name))
    with Image.open(SAMPLES / name) as before, Image.open(io.BytesIO(data)) as after:
        assert after.mode == before.mode
        assert next(iter(after.quantization.values())) == next(iter(before.quantization.values()))  # type: ignore[attr-defined]
        assert bool(after.info.get("progressive")) == bool(before.info.get("progressive"))
        sampling = JpegImagePlugin.get_sampling(before)
        if before.mode == "RGB" and sampling >= 0:
            assert JpegImagePlugin.get_sampling(after) == sampling
    twice = again(back)[1]
    assert np.abs(twice.pixels.astype(int) - back.pixels).mean() < 0.5


def test_rare_sampling_is_written_in_full_and_said() -> None:
    picture = read("sampling-440.jpg")
    assert any("4:4:0" in note for note in picture.notes)
    with Image.open(io.BytesIO(again(picture)[0])) as image:
        assert JpegImagePlugin.get_sampling(image) == 0


def test_quality_overrides_the_tables() -> None:
    picture = read("orientation-1.jpg")
    small, large = (len(again(picture, quality=quality)[0]) for quality in (30, 95))
    assert small < len(again(picture)[0]) < large


def test_cmyk_without_a_profile_cannot_be_converted() -> None:
    with pytest.raises(LeftOut, match="without a color profile"):
        read("cmyk.jpg", cmyk="convert")


@pytest.mark.parametrize("name", ["cmyk-profile.jpg", "cmyk.tif"])
def test_cmyk_is_left_out_or_converted(name: str) -> None:
    with pytest.raises(LeftOut, match="CMYK"):
        read(name)
    converted = read(name, cmyk="convert")
    assert converted.pixels.shape[2] == 3
    assert converted.icc is None
    assert 20 < converted.pixels.mean() < 235


@pytest.mark.parametrize(
    ("name", "copy"),
    [
        ("gain-map.jpg", "gain map"),
        ("stereo.mpo", "stereo view"),
        ("preview.mpo", "preview"),
        ("motion.jpg", "motion video"),
        ("trailing.jpg", "trailing data"),
        ("jfif-thumbnail.jpg", "JFIF thumbnail"),
        ("photoshop.jpg", "Photoshop preview"),
        ("several.heic", "further image"),
    ],
)
def test_clean_copies_are_counted_and_left_behind(name: str, copy: str) -> None:
    picture = read(name)
    assert picture.copies[copy] >= 1
    assert copy not in again(picture)[1].copies


@pytest.mark.parametrize("name", ["gray16.png", "rgb16.png", "rgb16-alpha.png", "gray16-alpha.png", "rgb16.tif"])
def test_sixteen_bits_are_not_eight(name: str) -> None:
    picture = read(name)
    assert picture.levels == 65535
    assert len(np.unique(picture.pixels % 257)) > 50
    picture.pixels[0, 0, 0] = 12345
    assert again(picture)[1].pixels[0, 0, 0] == 12345


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("animated.png", "animated"),
        ("animated.webp", "animated"),
        ("animated.avif", "animated"),
        ("pages.tif", "pages"),
        ("bilevel.png", "bilevel"),
        ("bits-12.jpg", "12-bit"),
        ("lossless.jpg", "lossless"),
        ("bomb.png", "60000x60000"),
    ],
)
def test_left_out_with_a_reason(name: str, message: str) -> None:
    with pytest.raises(LeftOut, match=message):
        read(name)


def test_the_limit_on_pixels_is_read_from_the_header() -> None:
    for name in ("orientation-1.jpg", "rgb.png", "rgb.tif", "lossy.webp", "photo.heic", "photo.avif", "rgb.bmp"):
        with pytest.raises(LeftOut, match="max_pixels"):
            read(name, max_pixels=100)


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "tiff", "heif", "avif"])
def test_blocks_come_back(format: str) -> None:
    name = next(name for name, found in READABLE if found == format and "alpha" not in name)
    picture = read(name)
    exif = read("private.jpg").exif
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'
    icc = read("profile-p3.jpg").icc
    assert exif
    assert icc
    back = again(picture, Blocks(exif=exif, xmp=xmp, icc=icc))[1]
    assert back.icc == icc
    assert back.xmp is not None
    assert b"adobe:ns:meta" in back.xmp
    assert back.exif


@pytest.mark.parametrize(
    "name", ["orientation-1.jpg", "rgb.png", "rgb16.png", "rgb.tif", "lossy.webp", "rgb.bmp", "photo.avif"]
)
def test_hostile_bytes_end_in_one_line(name: str) -> None:
    data = (SAMPLES / name).read_bytes()
    module = codec(kind(data[:4096], name.encode()).format)
    messages = [message for trial in range(60) if (message := outcome(module, mutated(data, trial)))]
    assert messages
    assert not [message for message in messages if "\n" in message]


def mutated(data: bytes, trial: int) -> bytes:
    """Some bytes changed, near the beginning or anywhere, and every third time cut off."""
    generator = np.random.default_rng(trial)
    changed = bytearray(data)
    for at in generator.integers(0, min(len(data), 600 if trial % 2 else len(data)), 1 + trial % 8):
        changed[at] = generator.integers(256)
    return bytes(changed[: generator.integers(0, len(changed))] if trial % 3 == 0 else changed)


def outcome(module: ModuleType, data: bytes) -> str:
    """What a codec says of these bytes; nothing if it reads them."""
    try:
        module.read(data, Writing(max_pixels=2_000_000))
    except (LeftOut, Damaged) as error:
        return str(error)
    return ""


def test_a_truncated_photo_is_damaged_not_half() -> None:
    for name in ("orientation-1.jpg", "rgb.png", "lossy.webp", "rgb.tif", "rgb.bmp", "photo.heic", "photo.avif"):
        data = (SAMPLES / name).read_bytes()
        with pytest.raises((Damaged, LeftOut)):
            codec(kind(data[:4096], name.encode()).format).read(data[: len(data) * 2 // 3], Writing())
