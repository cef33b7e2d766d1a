"""Noise added to a photo: a key's grid stretched over it, patches laid over its faces, both rounded once together.

Work goes in strips of rows, so that no full-size float array ever exists, whatever the photo's size. Large photos
share a row of noise among a few neighbors: their cells are so tall that neighbors differ in the last bit at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearn.interpolation import spline_at, spline_weights
from unlearn.photos.keys import Key
from unlearn.photos.picture import Picture, Samples, stored, stored_place
from unlearn.quantities import FINE, whole_levels

STRIP = 64
GRAY_WITHIN = 2  # levels of 255 by which the channels of a gray photo stored as RGB may differ
SHARED_ROWS = (4, 2)  # rows that share their noise, divisors of STRIP
STEPS_A_CELL = 8  # different rows of noise within a cell, at least
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Patch:
    """Noise over one face: float32 levels of 255, shape (h, w, C), whose top left lies at a pixel of the upright photo.

    limit: whole levels that it keeps to.
    """

    noise: Floats
    top: int
    left: int
    limit: int


def add(picture: Picture, key: Key | None, pixels: bytes, patches: Sequence[Patch] = ()) -> None:
    """Add noise to picture.pixels in place.

    Args:
        key: whose noise is stretched over the photo; None for none. pixels: the photo's pixel hash, which chooses the
            key's variant. patches: noise over faces.

    No sample moves by more than the largest of the limits, whole_levels(key.epsilon) among them (times 257 for 16-bit
    samples), also where patches and the key's noise meet.
    """
    gray = (patches or (key is not None and key.delta.shape[1] > 1)) and is_gray(picture)
    unit = picture.levels // 255
    turned = [_as_stored(patch, picture, bool(gray)) for patch in patches]
    grid = None if key is None else _grid(key, pixels, bool(gray), picture.orientation) * np.float32(unit)
    limit = max([0 if key is None else whole_levels(key.epsilon), *(patch.limit for patch in patches)])
    noise = None if grid is None else _stretched(grid, picture.pixels.shape)
    _add(picture.pixels, noise, turned, limit * unit)


def _grid(key: Key, pixels: bytes, gray: bool, orientation: int) -> Floats:
    grid = key.variant(pixels).astype(np.float32) / FINE
    if len(grid) > 1 and gray:
        grid = grid.mean(axis=0, keepdims=True)
    limit = whole_levels(key.epsilon)  # interpolation is convex: what is clipped here stays so
    return stored(grid.clip(-limit, limit).transpose(1, 2, 0), orientation)


def _as_stored(patch: Patch, picture: Picture, gray: bool) -> Patch:
    """The patch as it lies over the stored samples, in their units and with as many channels, or one."""
    noise = patch.noise.mean(axis=2, keepdims=True) if gray else patch.noise
    height, width = picture.pixels.shape[:2]
    turned = stored(noise, picture.orientation)
    whole = (width, height) if picture.orientation > 4 else (height, width)
    top, left = stored_place(patch.top, patch.left, noise.shape, whole, picture.orientation)
    return Patch(turned * np.float32(picture.levels // 255), top, left, patch.limit)


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


@dataclass(frozen=True, eq=False)
class _Stretched:
    """A grid stretched to (H, W), of which rows are made when they are wanted.

    tall: weights (H / together, cells) of the grid's rows. wide: the grid's rows at full width, (cells, W * C).
    """

    tall: Floats
    wide: Floats
    together: int

    def rows(self, first: int, last: int) -> Floats:
        """Noise (rows / together, W * C) of the photo's rows from first to last."""
        weights = self.tall[first // self.together : -(-last // self.together)]
        used = np.flatnonzero(weights.any(axis=0))
        low, high = int(used[0]), int(used[-1]) + 1
        noise: Floats = weights[:, low:high] @ self.wide[low:high]
        return noise


def _stretched(grid: Floats, shape: tuple[int, ...]) -> _Stretched:
    """The grid (S, S, C or 1) over samples of shape (H, W, C)."""
    height, width, channels = shape
    cells = len(grid)
    together = next((rows for rows in SHARED_ROWS if height >= rows * STEPS_A_CELL * cells), 1)
    centers = (np.arange(0, height, together) + together / 2).clip(None, height) * cells / height
    tall, wide = spline_at(centers, cells), spline_weights(width, grid.shape[1])
    full = np.einsum("wt,stc->swc", wide, grid, optimize=True)
    full = np.broadcast_to(full, (cells, width, channels)).reshape(cells, width * channels)
    return _Stretched(tall, full, together)


def _add(samples: Samples, noise: _Stretched | None, patches: Sequence[Patch], limit: int) -> None:
    """samples (H, W, C) += noise and patches, strip by strip; strips without either are not touched."""
    for row in range(0, len(samples), STRIP):
        strip = samples[row : row + STRIP]
        rows = noise.rows(row, row + len(strip)) if noise else None
        together = noise.together if noise else 1
        touching = [patch for patch in patches if _overlaps(patch, row, len(strip))]
        if touching:
            whole = np.zeros(strip.shape, np.float32) if rows is None else _apart(rows, together, strip)
            rows, together = _laid(touching, row, whole, limit), 1
        if rows is not None:
            _saturating(strip.reshape(len(strip), -1), np.rint(rows), together)


def _apart(rows: Floats, together: int, strip: Samples) -> Floats:
    """A row of noise for every row of the strip, in its shape."""
    return np.repeat(rows, together, axis=0)[: len(strip)].reshape(strip.shape)


def _overlaps(patch: Patch, row: int, rows: int) -> bool:
    return patch.top < row + rows and patch.top + len(patch.noise) > row


def _laid(patches: Sequence[Patch], row: int, noise: Floats, limit: int) -> Floats:
    """noise (rows, W, C) of the strip that begins at `row`, with patches, clipped; shape (rows, W * C)."""
    for patch in patches:
        height, width = patch.noise.shape[:2]
        first, last = max(row, patch.top), min(row + len(noise), patch.top + height)
        here = noise[first - row : last - row, patch.left : patch.left + width]
        here += patch.noise[first - patch.top : last - patch.top]
    return noise.clip(-limit, limit).reshape(len(noise), -1)


def _saturating(strip: Samples, noise: Floats, together: int) -> None:
    """strip (R, W) += noise (R / together, W), within the type's range, without leaving the type."""
    raised = np.maximum(noise, 0)
    up, down = raised.astype(strip.dtype), (raised - noise).astype(strip.dtype)
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
