"""The differentiable crop against OpenCV's, and its gradients."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from unlearn.faces import geometry
from unlearn.faces.warp import crop

cv2 = pytest.importorskip("cv2")


def smooth(height: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    image = np.random.default_rng(seed).random((height, width, 3), dtype=np.float32)
    blurred: NDArray[np.float32] = cv2.GaussianBlur(image, (0, 0), 3) * 3 - 1
    return blurred


def turned(scale: float, angle: float, shift: tuple[float, float]) -> geometry.Matrix:
    """Crop pixels to image pixels."""
    linear = scale * np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    return np.hstack([linear, np.array(shift)[:, None]])


def as_batch(image: NDArray[np.float32]) -> torch.Tensor:
    return torch.from_numpy(image.transpose(2, 0, 1).copy())[None]


def ours(image: NDArray[np.float32], back: geometry.Matrix, side: int) -> NDArray[np.float32]:
    found: NDArray[np.float32] = crop(as_batch(image), torch.from_numpy(back)[None], side)[0].numpy()
    return found.transpose(1, 2, 0)


@pytest.mark.parametrize("scale", [0.3, 0.7, 1.0])
@pytest.mark.parametrize("angle", [0.0, 0.4, -1.7])
@pytest.mark.parametrize("shift", [(60.0, 50.0), (90.3, 40.7), (-20.0, 10.0)])
def test_crops_agree_with_opencv(scale: float, angle: float, shift: tuple[float, float]) -> None:
    """Also beyond the image, where both are zero. OpenCV rounds coordinates to a 32nd of a pixel."""
    image, back = smooth(150, 190), turned(scale, angle, shift)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    expected = cv2.warpAffine(image, back, (112, 112), flags=flags)
    difference = np.abs(ours(image, back, 112) - expected)
    assert np.quantile(difference, 0.98) < 0.02
    assert difference.mean() < 0.004


@pytest.mark.parametrize("side", [112, 150, 160])
def test_nothing_moves_when_the_crop_is_smaller(side: int) -> None:
    """A ramp stays the same ramp: sampled at the right places although it was reduced first."""
    rows, columns = np.indices((600, 700), dtype=np.float32)
    ramp = np.stack([columns, rows, rows], axis=2)
    back = turned(3.1, 0.3, (180.0, 60.0))
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=2).reshape(-1, 2).astype(np.float64)
    expected = geometry.moved(back, grid).reshape(side, side, 2)
    inside = ((expected > 10) & (expected < (690, 590))).all(2)
    assert inside.mean() > 0.5
    assert np.abs(ours(ramp, back, side)[:, :, :2] - expected)[inside].max() < 0.2


def test_a_smaller_crop_does_not_alias() -> None:
    """A checkerboard of single pixels is gray from afar."""
    board = (np.indices((400, 400)).sum(0) % 2).astype(np.float32)[:, :, None].repeat(3, 2)
    crops = ours(board, turned(3.0, 0.2, (60.0, 20.0)), 80)
    assert np.abs(crops[10:-10, 10:-10] - 0.5).max() < 0.05


def test_each_image_has_its_own_matrix() -> None:
    images = torch.cat([as_batch(smooth(80, 90, seed)) for seed in range(3)])
    backs = torch.from_numpy(np.stack([turned(0.6, angle, (20, 20)) for angle in (0.0, 0.3, 0.8)]))
    together = crop(images, backs, 64)
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], crop(images[i : i + 1], backs[i : i + 1], 64))


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.3])
def test_gradients_reach_the_pixels(scale: float) -> None:
    """Against differences; a crop is linear in the image, so that they are exact up to rounding."""
    image = as_batch(smooth(40, 44)).requires_grad_()
    back = torch.from_numpy(turned(scale, 0.3, (8.0, 2.0)))[None]
    weight = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    (crop(image, back, 16) * weight).sum().backward()
    assert image.grad is not None
    direction = torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        change = ((crop(image + direction, back, 16) - crop(image, back, 16)) * weight).sum()
    torch.testing.assert_close((image.grad * direction).sum(), change, rtol=1e-3, atol=1e-3)


def test_a_canvas_holds_the_aligned_crop() -> None:
    """From photo to canvas to template is the same as from photo to template."""
    photo, side = smooth(500, 500), 224
    points = geometry.moved(turned(1.6, 0.2, (150.0, 100.0)), geometry.TEMPLATE)
    to_template = geometry.similarity(points, geometry.template(112))
    to_canvas = geometry.similarity(points, geometry.canvas_points(side))
    straight = ours(photo, geometry.inverse(to_template), 112)
    canvas = ours(photo, geometry.inverse(to_canvas), side)
    again = ours(canvas, geometry.after(to_canvas, geometry.inverse(to_template)), 112)
    assert np.abs(straight - again).mean() < 0.03
    assert np.corrcoef(straight.ravel(), again.ravel())[0, 1] > 0.99
