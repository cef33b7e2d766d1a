"""Noise of a canvas laid onto the photo, where the face is. Torch-free."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from unlearn.faces.face import Face
from unlearn.faces.geometry import Matrix, inverse, moved, to_canvas
from unlearn.faces.weights import package

Floats = NDArray[np.float32]
# Share of the canvas's side over which the noise falls to nothing, along each border: no edge is to be seen.
FEATHER: Final = 0.12


def spread(noise: Floats, face: Face, height: int, width: int) -> tuple[Floats, tuple[int, int]]:
    """The part of a photo (height, width) that the noise of a face changes, and its (top, left).

    Args:
        noise: shape (S, S, C), in any unit, on the canvas of the face.
        face: in pixels of the upright photo; may lie partly or entirely outside of it.

    Returns:
        The patch (h, w, C) to be added to the photo, in the noise's unit; empty where the canvas misses the photo.
        Its values are means of noise values, so that none is larger than the largest of the noise.

    Raises:
        ValueError: landmarks that coincide.
    """
    onto = inverse(to_canvas(face, len(noise)))
    left, top, right, bottom = _bounds(onto, len(noise), height, width)
    if right <= left or bottom <= top:
        return np.zeros((0, 0, noise.shape[2]), np.float32), (0, 0)
    onto = onto - np.array([(0, 0, left), (0, 0, top)])
    feathered, onto = _reduced(noise * _feather(len(noise)), onto)
    cv2 = package("cv2")
    # Bilinear; outside of the canvas there is no noise.
    patch = cv2.warpAffine(feathered, onto, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    limit = np.abs(noise).max(initial=0)
    return np.clip(patch.reshape(bottom - top, right - left, -1), -limit, limit), (top, left)


def _bounds(onto: Matrix, side: int, height: int, width: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the pixels within the photo that the canvas's corners span."""
    low, high = -0.5, side - 0.5
    corners = moved(onto, np.array([(low, low), (high, low), (high, high), (low, high)]))
    left, top = np.maximum(np.floor(corners.min(0)), 0).astype(int).tolist()
    right, bottom = np.minimum(np.ceil(corners.max(0)) + 1, (width, height)).astype(int).tolist()
    return left, top, right, bottom


def _feather(side: int) -> Floats:
    """Weights (S, S, 1): 1 inside, falling smoothly to 0 at the borders."""
    inward = (np.minimum(np.arange(side), np.arange(side)[::-1]) + 0.5) / (FEATHER * side)
    ramp = np.clip(inward, 0, 1)
    ramp = ramp**2 * (3 - 2 * ramp)
    return np.outer(ramp, ramp).astype(np.float32)[:, :, None]


def _reduced(noise: Floats, onto: Matrix) -> tuple[Floats, Matrix]:
    """Noise averaged over areas down to the size that the face has in the photo, so that bilinear sampling suffices."""
    side, scale = len(noise), float(np.sqrt(abs(np.linalg.det(onto[:, :2]))))
    smaller = max(1, round(side * scale))
    if smaller >= side:
        return np.ascontiguousarray(noise), onto
    cv2 = package("cv2")
    # A pixel p of the smaller noise covers the noise's pixels around (p + 0.5) * ratio - 0.5.
    ratio = side / smaller
    linear = onto[:, :2] * ratio
    shift = onto[:, :2] @ np.full(2, ratio / 2 - 0.5) + onto[:, 2]
    reduced = cv2.resize(noise, (smaller, smaller), interpolation=cv2.INTER_AREA)
    return reduced.reshape(smaller, smaller, -1), np.hstack([linear, shift[:, None]])
