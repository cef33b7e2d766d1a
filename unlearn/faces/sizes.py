"""Photos made smaller by means over areas, whole pixels first: that takes OpenCV a third of the time."""

import numpy as np
from numpy.typing import NDArray

from unlearn.faces.weights import package

Pixels = NDArray[np.uint8]


def reduced(image: Pixels, long_side: int) -> tuple[Pixels, NDArray[np.float64]]:
    """The photo (H, W, C) with a longer side of at most so many pixels.

    Returns:
        The smaller photo (h, w, C), and how many of the photo's pixels (in x, in y) one of its pixels stands for.
    """
    height, width = image.shape[:2]
    whole = max(1, min(max(height, width) // long_side, height, width))
    shown = shrunk(image, whole)
    factor = min(1.0, long_side / max(shown.shape[:2]))
    size = [max(1, round(side * factor)) for side in shown.shape[1::-1]]
    return resized(shown, *size), np.array(shown.shape[1::-1]) * whole / np.array(size)


def shrunk(image: Pixels, factor: int) -> Pixels:
    """Means over squares of `factor` pixels; a rest of fewer rows or columns at the end is left out."""
    height, width = (side // factor for side in image.shape[:2])
    return resized(image[: height * factor, : width * factor], width, height)


def resized(image: Pixels, width: int, height: int) -> Pixels:
    """The photo (H, W, C) as (height, width, C), no larger than it was."""
    if image.shape[:2] == (height, width):
        return image
    cv2 = package("cv2")
    small: Pixels = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return small.reshape(height, width, -1)
