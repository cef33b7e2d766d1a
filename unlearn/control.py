"""The control of an audit: changes as large as a perturbation's that know nothing of the labels."""

import numpy as np
import torch
from numpy.typing import NDArray

from unlearn import placing, randomness
from unlearn.images import Pixels
from unlearn.promise import Promise
from unlearn.quantities import LEVELS

BLOCK = 2048


def uniform(clean: Pixels, changed: Pixels, keys: NDArray[np.int64], promise: Promise) -> Pixels:
    """Uniform noise in whole levels on the samples that were changed.

    Args:
        clean, changed: uint8 (N, C, H, W), before and after the perturbation. keys: int64 (N,), of the samples.
        promise: with nothing but `levels`, the noise fills that budget; else it is as large as each image's own change,
            in as many pixels.
    """
    out, noisy = placing.zeros(clean.shape, clean.dtype), _filling if promise.plain else _as_large
    for part in placing.blocks(clean, BLOCK, values=8):
        change = changed[part].astype(np.int16) - clean[part]
        noise = noisy(change, torch.from_numpy(keys[part]), promise.levels)
        touched = change.any(axis=(1, 2, 3), keepdims=True)
        out[part] = (clean[part] + noise * touched).clip(0, LEVELS)
    return out


def _filling(change: NDArray[np.int16], keys: torch.Tensor, limit: int) -> NDArray[np.int16]:
    draws = randomness.uniform(0, "random-control", 0, keys, change.shape[1:]).numpy()
    return np.floor(draws * (2 * limit + 1)).astype(np.int16) - np.int16(limit)


def _as_large(change: NDArray[np.int16], keys: torch.Tensor, limit: int) -> NDArray[np.int16]:
    """Noise with each image's L2 norm and number of changed pixels, at other places."""
    draws = randomness.uniform(0, "random-control", 0, keys, change.shape[1:]).numpy()
    pixels = change.any(axis=1).reshape(len(change), -1).sum(axis=1)
    squares = (change.astype(np.float64) ** 2).sum(axis=(1, 2, 3))
    size = np.sqrt(3 * squares / np.maximum(1, pixels * change.shape[1]))  # sqrt(3): of U(-1, 1)
    reach = size.clip(0, limit)[:, None, None, None]
    noise = np.rint((2 * draws - 1) * reach).astype(np.int16)
    return noise * _places(pixels, keys, change.shape[2:])[:, None]


def _places(pixels: NDArray[np.int64], keys: torch.Tensor, size: tuple[int, ...]) -> NDArray[np.int16]:
    """Ones at so many random pixels of each image, shape (B, H, W)."""
    order = randomness.uniform(0, "random-places", 0, keys, size).numpy().reshape(len(pixels), -1)
    rank = order.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return (rank < pixels[:, None]).astype(np.int16).reshape(-1, *size)
