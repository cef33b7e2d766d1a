"""Smooth interpolation from a coarse grid to any size, the same for crafting and for writing photos."""

import numpy as np
from numpy.typing import NDArray


def spline_weights(size: int, cells: int) -> NDArray[np.float32]:
    """Weights, shape (size, cells), of cubic B-spline interpolation; rows sum to 1.

    The cells lie edge to edge over the whole length; beyond the outer ones their values go on. Weights are never
    negative, so that an interpolated perturbation stays within the budget of its cells.
    """
    place = (np.arange(size) + 0.5) * cells / size - 0.5
    base = np.floor(place).astype(np.int64)
    t = place - base
    kernel = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    weights = np.zeros((size, cells))
    for tap in range(4):
        np.add.at(weights, (np.arange(size), (base + tap - 1).clip(0, cells - 1)), kernel[:, tap])
    return weights.astype(np.float32)
