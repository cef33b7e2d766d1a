"""Where a face lies: the five-point template, similarity transforms, and the canvas that noise lives on. Torch-free.

A matrix is a float64 array (2, 3) that maps pixel coordinates (x, y, 1) of one image to those of another; pixel
centers lie at whole numbers.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from unlearn.faces.face import Face, Points

Matrix = NDArray[np.float64]
# The 112 x 112 template of ArcFace and its kin: eyes, tip of the nose, corners of the mouth.
TEMPLATE: Final[Points] = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)]
)
TEMPLATE_SIDE: Final = 112
# Side of the canvas in pixels of the template: it holds the crops of all common recognisers, and some air for jitter.
FIELD: Final = 160


def similarity(source: Points, target: Points) -> Matrix:
    """The rotation, scale and shift that maps points (P, 2) to points (P, 2) best, never a reflection.

    Umeyama, TPAMI 1991, *Least-squares estimation of transformation parameters between two point patterns*.

    Raises:
        ValueError: source points that coincide.
    """
    center_a, center_b = source.mean(0), target.mean(0)
    a, b = source - center_a, target - center_b
    spread = float((a**2).sum())
    if not np.isfinite(spread) or spread < 1e-9:
        raise ValueError("landmarks coincide")
    u, d, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    rotation = u @ np.diag(sign) @ vt
    scale = float((d * sign).sum()) / spread
    return np.hstack([scale * rotation, (center_b - scale * rotation @ center_a)[:, None]])


def inverse(matrix: Matrix) -> Matrix:
    """The matrix that maps back."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.hstack([linear, -linear @ matrix[:, 2:]])


def after(second: Matrix, first: Matrix) -> Matrix:
    """The matrix that applies `first`, then `second`."""
    return second[:, :2] @ first + np.hstack([np.zeros((2, 2)), second[:, 2:]])


def moved(matrix: Matrix, points: Points) -> Points:
    """Points (P, 2) through the matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def template(side: int) -> Points:
    """The five points in an aligned crop of `side` pixels."""
    return (TEMPLATE + 0.5) * side / TEMPLATE_SIDE - 0.5


def canvas_points(side: int) -> Points:
    """The five points on a canvas of `side` pixels."""
    margin = (FIELD - TEMPLATE_SIDE) / 2
    return (TEMPLATE + 0.5 + margin) * side / FIELD - 0.5


def to_template(face: Face, side: int = TEMPLATE_SIDE) -> Matrix:
    """Photo pixels to an aligned crop of `side` pixels."""
    return similarity(face.points, template(side))


def to_canvas(face: Face, side: int) -> Matrix:
    """Photo pixels to the canvas of `side` pixels."""
    return similarity(face.points, canvas_points(side))


def canvas_face(side: int) -> Face:
    """The face of a canvas: what a detector finds there in the mean.

    The box is that of a detector that frames brow to chin.
    """
    points = canvas_points(side)
    unit = side / FIELD
    center = points[:2].mean(0)
    left, right = center[0] - 40 * unit, center[0] + 40 * unit
    top, bottom = center[1] - 38 * unit, center[1] + 66 * unit
    return Face(points, (float(left), float(top), float(right), float(bottom)))
