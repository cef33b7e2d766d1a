"""Smooth interpolation from a coarse grid to any size, the same for crafting and for writing photos."""

import numpy as np
from numpy.typing import NDArray


def spline_weights(size: int, cells: int) -> NDArray[np.float32]:
    """Weights, shape (size, cells), of cubic B-spline interpolation at the centers of `size` pixels.

    The cells lie edge to edge over the whole length; beyond the outer ones their values go on. Rows sum to 1 and
    weights are never negative, so that an interpolated perturbation stays within the budget of its cells.
    """
    return spline_at((np.arange(size) + 0.5) * cells / size, cells)


def spline_at(places: NDArray[np.float64], cells: int) -> NDArray[np.float32]:
    """Weights, shape (P, cells), at places (P,) in [0, cells]; a cell's center lies at its number plus a half."""
    base = np.floor(places - 0.5).astype(np.int64)
    t = places - 0.5 - base
    kernel = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    weights = np.zeros((len(places), cells))
    for tap in range(4):
        np.add.at(weights, (np.arange(len(places)), (base + tap - 1).clip(0, cells - 1)), kernel[:, tap])
    return weights.astype(np.float32)
