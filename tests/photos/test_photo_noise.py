"""A key's noise on photos: budget, orientation, gray, depth, and any size."""

from dataclasses import replace

import numpy as np
import pytest

from unlearn.interpolation import spline_weights
from unlearn.photos import keys, noise
from unlearn.photos.keys import Key
from unlearn.photos.picture import TURNS, Picture, stored, upright
from unlearn.quantities import FINE


def key(channels: int = 3, side: int = 8, levels: int = 8, seed: int = 0) -> Key:
    generator = np.random.default_rng(seed)
    delta = generator.integers(-levels * 256, levels * 256 + 1, (1, channels, side, side)).astype(np.int16)
    return Key("a", delta, levels / 255, "mid", bytes(32), "")


def photo(height: int = 60, width: int = 90, channels: int = 3, seed: int = 1, dtype: type = np.uint8) -> Picture:
    top = int(np.iinfo(dtype).max)
    pixels = np.random.default_rng(seed).integers(top // 4, top * 3 // 4, (height, width, channels)).astype(dtype)
    return Picture(pixels, "png")


def change(picture: Picture, with_key: Key) -> np.ndarray:
    before = picture.pixels.astype(np.int64)
    noise.add(picture, with_key, keys.pixel_hash(picture))
    return picture.pixels.astype(np.int64) - before


@pytest.mark.parametrize("size", [(60, 90), (1, 1), (3, 200), (200, 3), (64, 64), (65, 129)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_budget_holds_at_every_size(size: tuple[int, int], channels: int) -> None:
    moved = change(photo(*size), key(channels))
    assert np.abs(moved).max() <= 8
    assert moved.shape == (*size, 3)


def test_noise_is_there_and_smooth() -> None:
    moved = change(photo(400, 400), key())
    assert moved.std() > 1.5
    assert np.abs(np.diff(moved, axis=0)).max() <= 1
    assert np.abs(np.diff(moved, axis=1)).max() <= 1


@pytest.mark.parametrize("height", [500, 512, 1000, 1024, 1500])
def test_rows_that_share_noise_differ_from_their_own_by_little(height: int) -> None:
    """A steep key, from end to end of the budget and back within eight cells."""
    cells = np.sin(2 * np.pi * np.arange(32) / 8)
    delta = np.broadcast_to((cells * 6 * FINE).round()[None, None, :, None], (1, 3, 32, 32)).astype(np.int16)
    picture = Picture(np.full((height, 40, 3), 128, np.uint8), "png")
    noise.add(picture, replace(key(), delta=delta, epsilon=6 / 255), bytes(16))
    exact = spline_weights(height, 32) @ (delta[0, 0, :, 0] / FINE)
    assert np.abs(picture.pixels[:, 0, 0].astype(float) - 128 - exact).max() < 1.0


def test_dark_and_bright_samples_are_clipped_not_wrapped() -> None:
    for value in (0, 255):
        picture = Picture(np.full((40, 40, 3), value, np.uint8), "png")
        moved = change(picture, key())
        assert np.abs(moved).max() <= 8


@pytest.mark.parametrize("orientation", sorted(TURNS))
def test_eight_orientations_of_one_scene_look_the_same(orientation: int) -> None:
    scene = photo(48, 72)
    turned = Picture(np.ascontiguousarray(stored(scene.pixels, orientation)), "jpeg", orientation)
    assert np.array_equal(upright(turned.pixels, orientation), scene.pixels)
    noise.add(scene, key(), b"x")
    noise.add(turned, key(), b"x")
    assert np.abs(upright(turned.pixels, orientation).astype(int) - scene.pixels).max() <= 1  # order of float sums


def test_sixteen_bits_are_moved_in_their_own_units() -> None:
    eight, sixteen = photo(64, 64), photo(64, 64, dtype=np.uint16)
    low, high = change(eight, key()), change(sixteen, key())
    assert np.abs(high).max() <= 8 * 257
    assert np.abs(high / 257 - low).max() <= 0.51


def test_gray_stays_gray() -> None:
    gray = np.random.default_rng(0).integers(0, 255, (50, 70, 1)).astype(np.uint8)
    stored_as_rgb = Picture(gray.repeat(3, axis=2), "jpeg")
    moved = change(stored_as_rgb, key(3))
    assert moved.any()
    assert np.array_equal(moved[..., 0], moved[..., 1])
    assert np.array_equal(moved[..., 0], moved[..., 2])
    assert change(Picture(gray.copy(), "png"), key(3)).any()


@pytest.mark.parametrize(("difference", "gray"), [(0, True), (2, True), (3, False)])
def test_what_counts_as_gray(difference: int, gray: bool) -> None:
    pixels = np.full((130, 10, 3), 100, np.uint8)
    pixels[129, 9, 2] += difference
    assert noise.is_gray(Picture(pixels, "jpeg")) is gray


def test_luma_keys_move_all_channels_alike() -> None:
    moved = change(photo(), key(1))
    assert np.array_equal(moved[..., 0], moved[..., 2])


def test_the_same_pixels_get_the_same_noise_whatever_the_format() -> None:
    first, second = photo(), photo()
    second.format, second.exif = "jpeg", b"II*\0"
    assert np.array_equal(change(first, key()), change(second, key()))
