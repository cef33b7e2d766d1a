"""Autoregressive textures: every value is a fixed mixture of the eight before it in its 3x3 window, in reading order.

A window's mixture is `weights`, shape (8,), of its first eight values in reading order; their sum is 1. The filter that
subtracts the mixture from the ninth value finds exactly 0 wherever its own process made the texture.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from unlearn.crafting.generated import normal
from unlearn.errors import DataError

Floats = NDArray[np.float64]
CROP = 4  # rows and columns that still show the random start
BATCH = 256  # candidates that are tried together
TOGETHER = 16  # processes that a candidate is compared with before it may fail
UNEVEN = 3.0  # how much larger or smaller than on the whole a texture may be in a quarter
SMOOTH = 0.6  # least size of the steps between neighbors, down and across, as a share of the values' size


def unrolled(weights: Floats, start: Floats) -> Floats:
    """The textures (S, S, M) of processes (8, M) from random values (S, S, M), of which two rows and columns stay."""
    out, (size, _, count) = start.copy(), start.shape
    for row in range(2, size):
        above = np.zeros((size - 2, count))
        for tap in range(6):
            y, x = divmod(tap, 3)
            above += weights[tap] * out[row - 2 + y, x : x + size - 2]
        for column in range(2, size):
            out[row, column] = above[column - 2] + weights[6] * out[row, column - 2] + weights[7] * out[row, column - 1]
    return out


def responses(weights: Floats, textures: Floats) -> Floats:
    """Mean absolute response (M,) of filters (8, M) to textures (S, S, M), one to one; either may be for M = 1."""
    size = len(textures) - 2
    windows = (textures[y : y + size, x : x + size] for y in range(3) for x in range(3))
    found = sum((w * v for w, v in zip((*-weights, 1.0), windows, strict=True)), np.zeros(()))
    return np.asarray(np.abs(found).mean((0, 1)))


def processes(seed: int, count: int, channels: int, side: int, response: float, candidates: int) -> Floats:
    """Processes whose textures neither fade nor grow, and to which the others' filters respond; (count, channels, 8).

    Args:
        side: pixels of a texture. response: least mean response to a texture of another process, whose values have a
            mean square of 1. candidates: how many mixtures are tried at most.

    Raises:
        DataError: when there are too few among the candidates.
    """
    chosen, shown = np.empty((8, 0)), np.empty((side, side, 0))  # of processes found, channel by channel
    left, drawn = np.empty((8, 0)), np.empty((side, side, 0))  # of candidates that are not tried yet
    for first in range(0, candidates, BATCH):
        weights, textures = _steady(seed, first, side)
        left, drawn = np.concatenate([left, weights], 1), np.concatenate([drawn, textures], 2)
        while left.shape[1] >= channels:
            mine, texture = left[:, :channels], drawn[..., :channels]
            left, drawn = left[:, channels:], drawn[..., channels:]
            if _distinct(mine, texture, chosen, shown, response):
                chosen, shown = np.concatenate([chosen, mine], 1), np.concatenate([shown, texture], 2)
            if chosen.shape[1] == count * channels:
                return np.ascontiguousarray(chosen.reshape(8, count, channels).transpose(1, 2, 0))
    raise DataError(
        f"ar: {chosen.shape[1] // channels} processes for {count} classes in {candidates} candidates; lower `response`"
    )


def _steady(seed: int, first: int, side: int) -> tuple[Floats, Floats]:
    """The candidates whose textures are even and rough: weights (8, K), textures (side, side, K) of mean square 1."""
    keys = torch.arange(first, first + BATCH)
    drawn = normal(seed, "ar-weights", keys, (8,)).numpy().T
    weights = drawn / drawn.sum(0)
    start = _borders(seed, "ar-trial", keys, 1, side + CROP)
    with np.errstate(all="ignore"):  # most candidates grow beyond all numbers
        made = unrolled(weights, start)[CROP:, CROP:]
        size = np.sqrt((made**2).mean((0, 1)))
        made = made / size
        half = side // 2
        quarters = [made[y : y + half, x : x + half] for y in (0, side - half) for x in (0, side - half)]
        sizes = np.sqrt([(quarter**2).mean((0, 1)) for quarter in quarters])
        steps = np.sqrt([(np.diff(made, axis=axis) ** 2).mean((0, 1)) for axis in (0, 1)]).min(0)
        good = (sizes.max(0) < UNEVEN) & (sizes.min(0) > 1 / UNEVEN) & (steps > SMOOTH) & (size < 1e3)
    return weights[:, good], made[..., good]


def _distinct(mine: Floats, texture: Floats, chosen: Floats, shown: Floats, response: float) -> bool:
    """Whether no filter takes another process's texture for its own, in the mean over channels."""
    channels = mine.shape[1]
    for first in range(0, chosen.shape[1], TOGETHER * channels):
        part = slice(first, first + TOGETHER * channels)
        others = chosen[:, part].shape[1] // channels
        theirs = responses(chosen[:, part], np.tile(texture, others)).reshape(others, channels).mean(1)
        ours = responses(np.tile(mine, others), shown[..., part]).reshape(others, channels).mean(1)
        if np.minimum(theirs, ours).min() < response:
            return False
    return True


def textures(seed: int, weights: Floats, keys: torch.Tensor, height: int, width: int, side: int) -> Floats:
    """A texture for every key, (B, C, height, width), of one process (C, 8), in tiles of `side` pixels.

    Each tile starts anew, because over a longer way a process fades or grows; all are given the same mean square.
    """
    side = min(side, max(height, width))
    tall, wide, channels = -(-height // side), -(-width // side), len(weights)
    starts = _borders(seed, "ar", keys, tall * wide * channels, side + CROP)
    made = unrolled(np.tile(weights.T, len(keys) * tall * wide), starts)[CROP:, CROP:]
    tiles = made.reshape(side, side, len(keys), tall, wide, channels)
    tiles = tiles / np.sqrt((tiles**2).mean((0, 1, 5), keepdims=True)).clip(1e-12)
    whole = tiles.transpose(2, 5, 3, 0, 4, 1).reshape(len(keys), channels, tall * side, wide * side)
    return whole[:, :, :height, :width]


def _borders(seed: int, stream: str, keys: torch.Tensor, each: int, size: int) -> Floats:
    """Random values in the first two rows and columns of zeros, (size, size, B * each)."""
    drawn = normal(seed, stream, keys, (each, 4 * size - 4)).numpy().reshape(-1, 4 * size - 4).T
    out = np.zeros((size, size, drawn.shape[1]))
    out[:2] = drawn[: 2 * size].reshape(2, size, -1)
    out[2:, :2] = drawn[2 * size :].reshape(size - 2, 2, -1)
    return out
