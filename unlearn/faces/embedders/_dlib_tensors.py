"""Tensors of a network that dlib wrote: dlib's own serialization, read without dlib.

A number is one byte that counts the bytes of its payload (bit 7: negative), then the payload, the lowest byte first. A
tensor is the number 2 (its version), four sizes, and little-endian float32 values. A layer's tensor follows its label.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from unlearn.faces.weights import WeightsError

Shape = tuple[int, int, int, int]
VERSION: Final = 2
# Between a layer's label and its tensor lie at most a few small numbers.
SLACK: Final = 16


def tensors(path: Path, layout: Sequence[tuple[bytes, Shape]]) -> list[NDArray[np.float32]]:
    """The tensors of a network file in the order of `layout`, which gives each one's label and sizes.

    Raises:
        WeightsError: cannot be read, cut off, or another network than `layout` describes.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from error
    found, at = [], 0
    for place, (label, shape) in enumerate(layout, 1):
        header = b"".join(map(_number, (VERSION, *shape)))
        at = data.find(label, at)
        start = data.find(header, at, at + len(label) + SLACK + len(header)) if at >= 0 else -1
        at = start + len(header) + 4 * math.prod(shape)
        if start < 0 or at > len(data):
            name = label.decode()
            raise WeightsError(f"{path}: damaged, or not dlib's face recogniser: no tensor {place} ({name}, {shape})")
        found.append(np.frombuffer(data[start + len(header) : at], "<f4"))
    return found


def _number(value: int) -> bytes:
    """A positive number as dlib writes it."""
    payload = value.to_bytes((value.bit_length() + 7) // 8, "little")
    return bytes([len(payload)]) + payload
