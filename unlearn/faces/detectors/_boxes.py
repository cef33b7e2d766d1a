"""Boxes of a detection cascade: rows (left, top, right, bottom) of pixel edges, float64 (N, 4)."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from unlearn.faces.weights import package

Boxes = NDArray[np.float64]
Numbers = NDArray[np.float64]


def sides(boxes: Boxes) -> Numbers:
    """Widths and heights (N, 2)."""
    return boxes[:, 2:] - boxes[:, :2]


def adjusted(boxes: Boxes, shifts: Numbers) -> Boxes:
    """Boxes whose edges are moved by `shifts` (N, 4), in units of their width and height."""
    return boxes + shifts * np.tile(sides(boxes), 2)


def squared(boxes: Boxes) -> Boxes:
    """Squares of the longer side around the same centers, on whole pixels."""
    half = sides(boxes).max(1, keepdims=True, initial=0) / 2
    center = (boxes[:, :2] + boxes[:, 2:]) / 2
    corner = np.rint(center - half)
    return np.hstack([corner, corner + np.maximum(np.rint(2 * half), 1)])


def by_union(mine: Numbers, other: Numbers, common: Numbers) -> Numbers:
    """Overlap as the share of the union."""
    return common / np.maximum(mine + other - common, 1e-9)


def by_smaller(mine: Numbers, other: Numbers, common: Numbers) -> Numbers:
    """Overlap as the share of the smaller box: also finds a box inside another."""
    return common / np.maximum(np.minimum(mine, other), 1e-9)


def distinct(
    boxes: Boxes, scores: Numbers, limit: float, overlap: Callable[..., Numbers] = by_union
) -> NDArray[np.int64]:
    """Which boxes stay when each is dropped that overlaps one of a higher score by more than `limit`; best first."""
    areas = sides(boxes).clip(0).prod(1)
    waiting = np.argsort(-scores, kind="stable")
    keep = []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        keep.append(best)
        inner = np.minimum(boxes[best, 2:], boxes[waiting, 2:]) - np.maximum(boxes[best, :2], boxes[waiting, :2])
        waiting = waiting[overlap(areas[best], areas[waiting], inner.clip(0).prod(1)) <= limit]
    return np.array(keep, dtype=np.int64)


def cut(image: NDArray[np.uint8], square: Numbers, side: int) -> NDArray[np.uint8]:
    """What lies in a square on whole pixels, (side, side, 3), black outside of the image."""
    cv2 = package("cv2")
    left, top, right, bottom = square.astype(int).tolist()
    height, width = image.shape[:2]
    part = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if not part.size:
        return np.zeros((side, side, 3), np.uint8)
    beyond = (max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0))
    if any(beyond):
        part = cv2.copyMakeBorder(part, *beyond, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    crop: NDArray[np.uint8] = cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA)
    return crop
