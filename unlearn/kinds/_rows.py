"""Checks and small steps that all kinds share; rows are int32 (N,), -1 for samples that stay as they are."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unlearn import placing
from unlearn.errors import PerturbationError
from unlearn.images import Pixels


def check(row: Tensor, rows: int) -> None:
    """Refuse rows that are not there.

    Raises:
        PerturbationError: naming the rows.
    """
    if row.dtype != torch.int32 or row.ndim != 1:
        raise PerturbationError(f"rows of type {row.dtype} and shape {tuple(row.shape)}")
    if len(row) and (int(row.min()) < -1 or int(row.max()) >= rows):
        raise PerturbationError(f"rows {int(row.min())}..{int(row.max())} of {rows}")


def protected(row: Tensor, index: NDArray[np.int64]) -> NDArray[np.bool_]:
    """True where a sample at these positions has a row."""
    return np.asarray(row.numpy()[index] >= 0)


def blockwise(pixels: Pixels, index: NDArray[np.int64], block: int, work: Callable[[Pixels, Tensor], Pixels]) -> Pixels:
    """`work` on (pixels, positions) of `block` samples at a time, which bounds memory."""
    out = placing.zeros(pixels.shape, pixels.dtype)
    for part in placing.blocks(pixels, block, values=4):
        out[part] = work(np.array(pixels[part]), torch.from_numpy(index[part]))  # a copy: files are read-only
    return out
