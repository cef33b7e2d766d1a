"""16-bit PNG through imagecodecs (libpng): Pillow would reduce RGB to 8 bits without a word."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearn.photos.codecs._guard import missing

LEVEL = 3
FILTER = 64  # "average" alone: trying all five filters costs a third more time for no size


def _library() -> Any:
    try:
        import imagecodecs
    except ImportError as error:
        raise missing("imagecodecs", "imagecodecs", "16-bit PNG") from error
    return imagecodecs


def decode(png: bytes) -> NDArray[np.uint16]:
    """uint16 (H, W, C), C from 1 to 4.

    Raises:
        LeftOut: imagecodecs is not installed.
    """
    array: NDArray[np.uint16] = _library().png_decode(png)
    return array[..., None] if array.ndim == 2 else array


def encode(array: NDArray[Any]) -> bytes:
    """PNG bytes of uint16 (H, W, C)."""
    flat = array[..., 0] if array.shape[2] == 1 else array
    return bytes(_library().png_encode(np.ascontiguousarray(flat), level=LEVEL, filter=FILTER))
