"""Where large arrays live: in memory, or in mapped files once they are larger than a bound.

Files of arrays that only this process needs lose their name as soon as they are mapped, so that they are gone with the
process, however it ends. Who sets no bound has everything in memory. Torch-free until tensors are asked for.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from unlearn import files

if TYPE_CHECKING:
    import torch
    from torch import Tensor

BLOCK_BYTES = 64_000_000  # of an array that are worked on together


@dataclass(frozen=True)
class Bound:
    """Arrays of more than `memory` bytes live in files in `folder`; None: there is no bound."""

    memory: int | None = None
    folder: Path = Path()

    def exceeded(self, size: int) -> bool:
        """Whether an array of so many bytes belongs in a file."""
        return self.memory is not None and size > self.memory


_NONE = Bound()
_BOUND: ContextVar[Bound] = ContextVar("bound", default=_NONE)


def bound() -> Bound:
    """The bound that holds here."""
    return _BOUND.get()


@contextlib.contextmanager
def bounded(memory: int, folder: Path) -> Iterator[None]:
    """Let this bound hold for the block, in this thread; the folder is made when the first array needs it."""
    token = _BOUND.set(Bound(memory, folder))
    try:
        yield
    finally:
        _BOUND.reset(token)


def zeros(shape: Sequence[int], kind: DTypeLike) -> NDArray[Any]:
    """An array of zeros, in memory or in a file without a name.

    Raises:
        OutputError: when the file finds no room.
    """
    size, here = prod(shape) * np.dtype(kind).itemsize, bound()
    if not here.exceeded(size):
        return np.zeros(shape, kind)
    with files.output_errors(here.folder):
        here.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".unlearn-", suffix=".scratch", dir=here.folder)
        with os.fdopen(handle, "r+b") as file:
            os.unlink(name)
            reserve(file.fileno(), size)
            return np.memmap(file, kind, "r+", shape=tuple(shape))


def reserve(handle: int, size: int) -> None:
    """Take room for a file of so many bytes: a mapped write that finds no room left would kill the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:
        os.truncate(handle, size)


def tensor(shape: Sequence[int], kind: torch.dtype) -> Tensor:
    """A tensor of zeros on the CPU, in memory or in a file without a name.

    Raises:
        OutputError: when the file finds no room.
    """
    import torch

    plain = torch.empty(0, dtype=kind)
    if not bound().exceeded(prod(shape) * plain.element_size()):
        return torch.zeros(tuple(shape), dtype=kind)
    return torch.from_numpy(zeros(shape, plain.numpy().dtype))


def filled_later(images: Tensor) -> Tensor:
    """Room for a tensor of this shape and type: beside it on its device, or in a file on the CPU."""
    import torch

    return tensor(images.shape, images.dtype) if images.device.type == "cpu" else torch.empty_like(images)


def blocks(array: Any, most: int = 4096, values: int = 1) -> list[slice]:
    """Slices of an array or tensor, of at most `most` entries and about BLOCK_BYTES bytes.

    Args:
        values: bytes that the work needs for each value, such as 4 where it makes floats of bytes.
    """
    each = max(1, prod(array.shape[1:])) * values
    step = max(1, min(most, BLOCK_BYTES // each))
    return [slice(start, min(start + step, len(array))) for start in range(0, len(array), step)]


def picked(array: NDArray[Any], index: NDArray[Any]) -> NDArray[Any]:
    """The entries at these positions, as an array of its own, wherever there is room for it."""
    if not bound().exceeded(len(index) * prod(array.shape[1:]) * array.dtype.itemsize):
        return array[index]
    out = zeros((len(index), *array.shape[1:]), array.dtype)
    for part in blocks(out):
        out[part] = array[index[part]]
    return out
