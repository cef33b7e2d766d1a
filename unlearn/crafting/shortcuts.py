"""Pixels that set a class apart when they are given an extreme color, found by their mean and spread alone."""

import numpy as np
from numpy.typing import NDArray

from unlearn import placing
from unlearn.images import Pixels
from unlearn.quantities import LEVELS

BLOCK = 1024


def corners(channels: int) -> NDArray[np.uint8]:
    """The extreme colors, black to white: all corners of the color cube, uint8 (2^C, C)."""
    bits = (np.arange(2**channels)[:, None] >> np.arange(channels)) & 1
    return (bits * LEVELS).astype(np.uint8)


def scores(images: Pixels) -> NDArray[np.float64]:
    """Mean distance to each extreme color over its standard deviation, by pixel; (2^C, H * W) for (N, C, H, W).

    The distance to a corner is linear in the values, so mean and covariance of the channels give it for all corners.
    """
    mean, covariance = _moments(images)
    far = corners(images.shape[1]).astype(np.float64)
    signs = 1 - 2 * far / LEVELS  # distance of a channel: x to 0, 255 - x to 255
    distance = signs @ mean + far.sum(1, keepdims=True)
    spread = np.einsum("ka,abp,kb->kp", signs, covariance, signs)
    return np.asarray(distance / np.sqrt(np.maximum(spread, 1.0)))


def _moments(images: Pixels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean (C, P) and covariance (C, C, P) of the channels by pixel."""
    count, channels = images.shape[:2]
    flat = images.reshape(count, channels, -1)
    sums, products = np.zeros(flat.shape[1:]), np.zeros((channels, *flat.shape[1:]))
    for block in placing.blocks(flat, BLOCK, values=8):
        part = flat[block].astype(np.float64)
        sums += part.sum(0)
        products += np.einsum("nap,nbp->abp", part, part)
    mean = sums / count
    return mean, products / count - mean[:, None] * mean[None]


def pick(found: NDArray[np.float64], count: int, taken: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """The best pixels with their colors, (corner, pixel), `count` different pixels; none that is taken."""
    free = found.copy()
    for corner, pixel in taken:
        free[corner, pixel] = -np.inf
    best = free.argmax(0)
    order = np.argsort(-free.max(0), kind="stable")[:count]
    return [(int(best[pixel]), int(pixel)) for pixel in order]
