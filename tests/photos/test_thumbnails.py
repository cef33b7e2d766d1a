"""Thumbnails: small, of the photo's own shape, the same every time."""

import io

import numpy as np
import pytest
from photo_plants import encoded, scene
from PIL import Image

from unlearn.photos import thumbnails
from unlearn.photos.picture import Picture


def picture() -> Picture:
    return Picture(np.asarray(scene()).copy(), "jpeg")


def test_thumbnails_show_the_photo_and_are_deterministic() -> None:
    source = picture()
    small = thumbnails.thumbnail(source)
    assert small == thumbnails.thumbnail(source)
    assert encoded(scene(), "JPEG") != small
    assert len(small) < 20_000


@pytest.mark.parametrize(
    ("shape", "size"),
    [((3000, 4000, 3), (160, 120)), ((4000, 3000, 1), (120, 160)), ((5, 2000, 3), (160, 1)), ((90, 60, 3), (60, 90))],
    ids=str,
)
def test_thumbnails_keep_the_shape(shape: tuple[int, int, int], size: tuple[int, int]) -> None:
    pixels = np.full(shape, 77, np.uint8)
    with Image.open(io.BytesIO(thumbnails.thumbnail(Picture(pixels, "png")))) as image:
        assert image.size == size
        assert image.mode == ("L" if shape[2] == 1 else "RGB")
        assert np.abs(np.asarray(image, int) - 77).max() <= 1


def test_thumbnails_of_deep_photos_match_those_of_shallow_ones() -> None:
    shallow = picture()
    deep = Picture(shallow.pixels.astype(np.uint16) * 257, "png")
    assert thumbnails.thumbnail(deep) == thumbnails.thumbnail(shallow)
