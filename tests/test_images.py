"""Images at the borders: modes, hostile files, lossless bytes, and quality figures."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unlearn import images
from unlearn.errors import DataError
from unlearn.fitting import Fit


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("RGB", (10, 20, 30), (10, 20, 30)),
        ("L", 77, (77,)),
        ("1", 1, (255,)),
        ("RGBA", (255, 0, 0, 0), (0, 0, 0)),
        ("RGBA", (200, 100, 50, 255), (200, 100, 50)),
        ("LA", (90, 255), (90,)),
        ("LA", (90, 0), (0,)),
        ("I;16", 65535, (255,)),
        ("P", 0, (0, 0, 0)),
    ],
)
def test_modes(mode: str, color: object, expected: tuple[int, ...]) -> None:
    pixels = images.to_array(images.decode(encoded(Image.new(mode, (3, 2), color)), "here"))
    assert pixels.shape == (len(expected), 2, 3)
    assert tuple(pixels[:, 0, 0]) == expected


def test_orientation_is_baked_in() -> None:
    image = Image.new("RGB", (4, 2))
    exif = Image.Exif()
    exif[0x0112] = 6
    assert images.decode(encoded(image, "JPEG", exif=exif), "here").size == (2, 4)


@pytest.mark.parametrize("data", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"<svg/>", b"%PDF-1.4"])
def test_what_is_no_image_is_named(data: bytes) -> None:
    with pytest.raises(DataError, match=r"^cat\.png: not a readable image"):
        images.decode(data, "cat.png")


def test_truncated_files_are_refused() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    for form in ("PNG", "JPEG", "WEBP"):
        data = encoded(noise, form)
        with pytest.raises(DataError, match="not a readable image"):
            images.decode(data[: len(data) // 2], "half")


def test_huge_images_are_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 99)
    with pytest.raises(DataError, match="big: 10x10 pixels, more than 99"):
        images.decode(encoded(Image.new("L", (10, 10))), "big")


def test_formats_outside_the_list_are_refused() -> None:
    with pytest.raises(DataError, match="unknown or unsupported format"):
        images.decode(encoded(Image.new("RGB", (4, 4)), "ICO"), "icon")


def test_png_is_lossless_bare_and_repeatable() -> None:
    for channels in (1, 3):
        pixels = np.random.default_rng(0).integers(0, 256, (channels, 9, 7), dtype=np.uint8)
        data = images.png(pixels)
        assert data == images.png(pixels.copy())
        assert np.array_equal(images.to_array(images.decode(data, "here")), pixels)
        assert not Image.open(io.BytesIO(data)).info


@pytest.mark.parametrize(("how", "expected"), [("crop", 100), ("stretch", 100), ("pad", 0)])
def test_fit(how: str, expected: int, tmp_path: Path) -> None:
    wide = Image.new("L", (40, 10), 100)
    fitted = images.to_array(Fit(20, 20, how).apply(wide))  # type: ignore[arg-type]
    assert fitted.shape == (1, 20, 20)
    assert fitted[0, 0, 0] == expected


def test_quality_of_known_changes() -> None:
    clean = np.full((4, 3, 16, 16), 100, dtype=np.uint8)
    changed = clean.copy()
    changed[:, :, ::2] += 8
    measured = images.quality(clean, changed)
    assert measured.max_levels == 8
    assert measured.psnr == pytest.approx(10 * np.log10(255**2 / 32), abs=1e-6)
    assert measured.ssim < 1
    same = images.quality(clean, clean)
    assert (same.max_levels, same.psnr, same.ssim, same.worst_ssim) == (0, 100.0, 1.0, 1.0)


def test_largest_change_is_found_in_any_block_and_direction() -> None:
    clean = np.full((10, 1, 2, 2), 100, dtype=np.uint8)
    changed = clean.copy()
    changed[9, 0, 1, 1] -= 7
    assert images.max_levels(clean, changed, block=3) == 7
