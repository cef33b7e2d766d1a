"""A quality for codecs that do not store theirs: the one at which the undisturbed photo would be as large as its file.

Found on a sample of tiles, so that a 12 megapixel photo costs a few encodings of half a megapixel. The same photo
always gives the same quality.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

TILE = 256
ACROSS = 3
LOWEST, HIGHEST = 5, 98
USUAL = 80  # of cameras and phones
GROWTH = 0.03  # of the logarithm of a file's size from one quality to the next, near the usual ones
GUESSES = 4  # before the interval is halved


def sample(pixels: NDArray[Any]) -> NDArray[Any]:
    """A copy of a small photo, or nine tiles of a large one, evenly spaced, side by side."""
    height, width = pixels.shape[:2]
    side = TILE * ACROSS
    if height * width <= side * side or min(height, width) < side:
        return pixels[: max(side, side * side // width), : max(side, side * side // height)].copy()
    rows = _starts(height)
    columns = _starts(width)
    tiles = [[pixels[r : r + TILE, c : c + TILE] for c in columns] for r in rows]
    return np.concatenate([np.concatenate(row, axis=1) for row in tiles])


def _starts(length: int) -> list[int]:
    return [(length - TILE) * i // (ACROSS - 1) // 16 * 16 for i in range(ACROSS)]


def nearest(target: float, encoded: Callable[[int], int]) -> int:
    """The quality whose `encoded` number of bytes is nearest to `target`; bytes grow with quality."""
    low, high, guess, tried = LOWEST, HIGHEST, USUAL, 0
    while high - low > 1:
        middle = min(max(guess, low + 1), high - 1) if tried < GUESSES else (low + high) // 2
        size, tried = encoded(middle), tried + 1
        low, high = (middle, high) if size <= target else (low, middle)
        guess = middle + round(math.log(max(target, 1.0) / max(size, 1)) / GROWTH)
    return low if target - encoded(low) <= encoded(high) - target else high


def like_source(pixels: NDArray[Any], bytes_per_pixel: float, encoded: Callable[[NDArray[Any], int], int]) -> int:
    """The quality at which `pixels` (a `sample`) take `bytes_per_pixel`."""
    area = pixels.shape[0] * pixels.shape[1]
    known: dict[int, int] = {}

    def measured(quality: int) -> int:
        if quality not in known:
            known[quality] = encoded(pixels, quality)
        return known[quality]

    return nearest(bytes_per_pixel * area, measured)
