"""A key's noise added to a photo: stretched over it, rounded once, added with saturation.

Work goes in strips of rows, so that no full-size float array ever exists, whatever the photo's size. Large photos
share a row of noise among a few neighbors: their cells are so wide that neighbors differ in the last bit at most.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearn.interpolation import spline_at, spline_weights
from unlearn.photos.keys import Key
from unlearn.photos.picture import Picture, Samples, stored
from unlearn.quantities import FINE, whole_levels

STRIP = 64
GRAY_WITHIN = 2  # levels of 255 by which the channels of a gray photo stored as RGB may differ
SHARED_ROWS = 4
ROWS_A_CELL = 32  # rows of a cell from which rows are shared


def add(picture: Picture, key: Key, pixels: bytes) -> None:
    """Add the key's noise to picture.pixels in place.

    Args:
        pixels: the photo's pixel hash, which chooses the key's variant.

    No sample moves by more than whole_levels(key.epsilon) levels (times 257 for 16-bit samples).
    """
    grid = key.variant(pixels).astype(np.float32) / FINE
    if len(grid) > 1 and is_gray(picture):
        grid = grid.mean(axis=0, keepdims=True)
    limit = whole_levels(key.epsilon)  # interpolation is convex: what is clipped here stays so
    noise = stored(grid.clip(-limit, limit).transpose(1, 2, 0), picture.orientation)
    _add_stretched(picture.pixels, noise * np.float32(picture.levels // 255))


def is_gray(picture: Picture) -> bool:
    """True for one channel, and for color files whose channels agree but for rounding."""
    samples, within = picture.pixels, GRAY_WITHIN * (picture.levels // 255)
    if samples.shape[2] == 1:
        return True
    if not _agree(samples[len(samples) // 2 : len(samples) // 2 + 1], within):
        return False
    return all(_agree(samples[row : row + STRIP], within) for row in range(0, len(samples), STRIP))


def _agree(strip: Samples, within: int) -> bool:
    red, green, blue = (strip[..., channel] for channel in range(3))
    high = np.maximum(np.maximum(red, green), blue)
    low = np.minimum(np.minimum(red, green), blue)
    return int((high - low).max()) <= within


def _add_stretched(samples: Samples, grid: NDArray[np.float32]) -> None:
    """samples (H, W, C) += grid (S, S, C or 1) stretched to (H, W), strip by strip."""
    height, width, channels = samples.shape
    cells = len(grid)
    together = SHARED_ROWS if height >= ROWS_A_CELL * cells else 1
    centers = (np.arange(0, height, together) + together / 2).clip(None, height) * cells / height
    tall, wide = spline_at(centers, cells), spline_weights(width, grid.shape[1])
    stretched = np.einsum("wt,stc->swc", wide, grid, optimize=True)
    stretched = np.broadcast_to(stretched, (cells, width, channels)).reshape(cells, width * channels)
    for row in range(0, height, STRIP):
        weights = tall[row // together : -(-min(row + STRIP, height) // together)]
        used = np.flatnonzero(weights.any(axis=0))
        low, high = int(used[0]), int(used[-1]) + 1
        noise = np.rint(weights[:, low:high] @ stretched[low:high])
        strip = samples[row : row + STRIP]
        _saturating(strip.reshape(len(strip), -1), noise, together)


def _saturating(strip: Samples, noise: NDArray[np.float32], together: int) -> None:
    """strip (R, W) += noise (R / together, W), within the type's range, without leaving the type."""
    up, down = noise.clip(0, None).astype(strip.dtype), (-noise).clip(0, None).astype(strip.dtype)
    whole = len(strip) // together * together
    _move(strip[:whole].reshape(-1, together, strip.shape[1]), up, down, whole // together)
    if whole < len(strip):
        _move(strip[whole:][None], up[-1:], down[-1:], 1)


def _move(rows: NDArray[Any], up: NDArray[Any], down: NDArray[Any], count: int) -> None:
    up, down = up[:count, None], down[:count, None]
    np.minimum(rows, np.iinfo(rows.dtype).max - up, out=rows)
    np.add(rows, up, out=rows)
    np.maximum(rows, down, out=rows)
    np.subtract(rows, down, out=rows)
