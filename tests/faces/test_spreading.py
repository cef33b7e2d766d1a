"""Noise laid over a face: never stronger than it was, without a seam, and found again where a recogniser looks."""

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from unlearn.faces import geometry
from unlearn.faces.face import Face
from unlearn.faces.spreading import FEATHER, spread

cv2 = pytest.importorskip("cv2")
SIDE = 224
LEVELS = 8.0


def made_noise(seed: int = 0, cell: int = 4, channels: int = 3) -> NDArray[np.float32]:
    """Squares of `cell` pixels at full strength."""
    signs = np.random.default_rng(seed).choice((-LEVELS, LEVELS), (SIDE // cell, SIDE // cell, channels))
    return signs.repeat(cell, 0).repeat(cell, 1).astype(np.float32)


def made_face(width: float, center: tuple[float, float], angle: float = 0.0, mirrored: bool = False) -> Face:
    """A face whose canvas is `width` pixels wide around `center`."""
    points = (geometry.canvas_points(SIDE) - (SIDE - 1) / 2) * (width / SIDE)
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    points = points * ((-1, 1) if mirrored else (1, 1)) @ turn.T + center
    return Face(points, (*points.min(0).tolist(), *points.max(0).tolist()))


def full(noise: NDArray[np.float32], face: Face, height: int, width: int) -> NDArray[np.float32]:
    """The patch in a photo of zeros."""
    patch, (top, left) = spread(noise, face, height, width)
    photo = np.zeros((height, width, noise.shape[2]), np.float32)
    part = photo[top : top + patch.shape[0], left : left + patch.shape[1]]
    assert part.shape == patch.shape
    part += patch
    return photo


def seen_again(photo: NDArray[np.float32], face: Face) -> NDArray[np.float32]:
    """The canvas cut from a photo, reduced first where the face is larger."""
    matrix = geometry.to_canvas(face, SIDE)
    shrink = 1 / np.sqrt(np.linalg.det(matrix[:, :2]))
    if shrink > 1:
        photo = cv2.GaussianBlur(photo, (0, 0), shrink / 4)
    canvas: NDArray[np.float32] = cv2.warpAffine(photo, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    return canvas


def correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    margin = round(FEATHER * SIDE)
    inner = (slice(margin, -margin),) * 2
    return float(np.corrcoef(a[inner].ravel(), b[inner].ravel())[0, 1])


@pytest.mark.parametrize("seed", range(60))
def test_no_face_makes_noise_stronger(seed: int) -> None:
    draw = np.random.default_rng(seed)
    height, width = (int(side) for side in draw.integers(1, 500, 2))
    center = (draw.uniform(-0.3, 1.3) * width, draw.uniform(-0.3, 1.3) * height)
    face = made_face(np.exp(draw.uniform(np.log(3), np.log(3000))), center, draw.uniform(-4, 4), bool(draw.integers(2)))
    noise = (made_noise(seed, 4) * draw.uniform(0, 1)).astype(np.float32)
    patch, (top, left) = spread(noise, face, height, width)
    assert patch.dtype == np.float32
    assert patch.shape[2] == 3
    assert np.abs(patch).max(initial=0) <= np.abs(noise).max()
    assert 0 <= top <= top + patch.shape[0] <= height
    assert 0 <= left <= left + patch.shape[1] <= width


@pytest.mark.parametrize("shape", [(12, 12), (1, 900), (900, 1), (2000, 1500)])
def test_a_constant_stays_itself_in_the_middle(shape: tuple[int, int]) -> None:
    photo = full(np.full((SIDE, SIDE, 3), 5, np.float32), made_face(60, (shape[1] // 2, shape[0] // 2)), *shape)
    assert photo[shape[0] // 2, shape[1] // 2] == pytest.approx([5, 5, 5], abs=1e-4)
    assert photo.max() <= 5


@pytest.mark.parametrize("center", [(-400, 100), (100, -400), (900, 100), (100, 900), (1e7, 1e7)])
def test_a_face_outside_of_the_photo_changes_nothing(center: tuple[float, float]) -> None:
    patch, _ = spread(made_noise(), made_face(300, center, 0.3), 400, 500)
    assert patch.size == 0
    assert patch.ndim == 3


@pytest.mark.parametrize("width", [12, 56, 224, 900])
@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 2, 3.0])
def test_no_seam_at_the_border_of_the_canvas(width: int, angle: float) -> None:
    """Where the canvas ends, the photo's next pixel is as it was, and so nearly is the last one."""
    constant = np.full((SIDE, SIDE, 1), LEVELS, np.float32)
    side = 2 * width + 20
    photo = full(constant, made_face(width, (side / 2, side / 2), angle), side, side)[:, :, 0]
    steps = max(np.abs(np.diff(photo, axis=0)).max(), np.abs(np.diff(photo, axis=1)).max())
    # A smooth step rises at most 1.5 times as fast as a straight ramp.
    assert steps <= 1.6 * LEVELS / (FEATHER * width) + 1e-3
    outline = spread(constant, made_face(width, (side / 2, side / 2), angle), side, side)[0]
    edges = np.concatenate([outline[0], outline[-1], outline[:, 0], outline[:, -1]])
    assert np.abs(edges).max() < (0.1 if width > 50 else 0.3) * LEVELS


@pytest.mark.parametrize("width", [224, 210, 300, 5 * 224])
@pytest.mark.parametrize("angle", [0.0, 0.5, -np.pi / 2])
def test_a_recogniser_finds_the_noise_where_it_looks(width: int, angle: float) -> None:
    noise, side = made_noise(), round(1.6 * width)
    face = made_face(width, (side / 2 - 0.3, side / 2 + 0.2), angle)
    canvas = seen_again(full(noise, face, side, side), face)
    assert correlation(canvas, noise) > 0.9
    assert abs(correlation(canvas, np.roll(noise, 8, axis=1))) < 0.2


@pytest.mark.parametrize("angle", [0.0, 0.5])
def test_a_small_face_keeps_what_it_can_show(angle: float) -> None:
    """At a quarter of the canvas's size, the mean of 4 x 4 pixels is left."""
    noise = made_noise(cell=1)
    face = made_face(SIDE / 4, (60, 60), angle)
    canvas = seen_again(full(noise, face, 120, 120), face)
    assert correlation(canvas, cv2.GaussianBlur(noise, (0, 0), 2.5)) > 0.85
    coarse = made_noise(cell=16)
    assert correlation(seen_again(full(coarse, face, 120, 120), face), coarse) > 0.85


def test_channels_stay_apart_and_one_is_enough() -> None:
    noise, face = made_noise(), made_face(150, (100, 100), 0.2)
    patch, at = spread(noise, face, 200, 200)
    for channel in range(3):
        single, same = spread(noise[:, :, channel : channel + 1], face, 200, 200)
        assert same == at
        np.testing.assert_allclose(single[:, :, 0], patch[:, :, channel], atol=1e-5)


def test_a_photo_that_is_cut_off_has_the_same_noise() -> None:
    """What the border cuts off does not move the rest."""
    noise, face = made_noise(), made_face(260, (150, 150), 0.2)
    whole = full(noise, face, 300, 300)
    np.testing.assert_allclose(full(noise, face, 170, 140), whole[:170, :140], atol=1e-3)


def test_landmarks_that_coincide_are_refused() -> None:
    with pytest.raises(ValueError, match="coincide"):
        spread(made_noise(), Face(np.zeros((5, 2)), (0, 0, 1, 1)), 10, 10)


def test_a_large_face_takes_a_moment_only() -> None:
    noise, face = made_noise(), made_face(1500, (1000, 1000))
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        spread(noise, face, 2000, 2000)
        seconds.append(time.perf_counter() - start)
    print(f"{min(seconds):.3f} s for a face of 1500 pixels")
    # 0.1 s on two cores; several times that is let pass on a busy machine.
    assert min(seconds) < 0.4
