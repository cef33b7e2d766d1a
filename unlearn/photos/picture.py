"""One photo as it is worked on: its stored pixels, and what its file needs besides them."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearn.errors import UnlearnError

Samples = NDArray[np.uint8] | NDArray[np.uint16]
# How stored pixels become upright, by EXIF orientation: (transpose first, then flip rows, then flip columns).
TURNS = {
    1: (False, False, False),
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


class LeftOut(UnlearnError):
    """A file that is no photo this tool may rewrite; the message is the reason shown to the user."""


class Damaged(UnlearnError):
    """A photo that cannot be decoded whole; the message is the reason shown to the user."""


@dataclass
class Picture:
    """A decoded photo. Pixels are in *stored* orientation and in the file's own code values.

    pixels: uint8 or uint16, shape (H, W, C) with C 1 (gray) or 3 (RGB), without alpha; changed in place.
    alpha: the same type, shape (H, W), or None; never changed.
    orientation: 1 to 8, what a viewer applies to the stored pixels; 1 where the decoder has applied it already.
    format: name of the codec that read it and writes it: jpeg, png, webp, tiff, heif, avif, bmp.
    settings: what that codec needs to write the same kind of file (quantization tables, sampling, compression ...).
    icc, exif, xmp: raw blocks of the source, or None; exif starts with the TIFF header (`II*\\0` or `MM\\0*`).
    copies: clean copies and previews that were found in the file, counted by kind; they are not carried over.
    dropped: other blocks that are not carried over, counted by kind: comment, IPTC record, text ...
    notes: what the user should know, such as "4:4:0 sampling is written as 4:4:4".
    """

    pixels: Samples
    format: str
    orientation: int = 1
    alpha: Samples | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    copies: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()

    @property
    def levels(self) -> int:
        """The largest code value: 255 or 65535."""
        return int(np.iinfo(self.pixels.dtype).max)


def upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """A view of stored samples (H, W, ...) as a viewer shows them."""
    transpose, rows, columns = TURNS[orientation]
    turned = array.swapaxes(0, 1) if transpose else array
    turned = turned[::-1] if rows else turned
    return turned[:, ::-1] if columns else turned


def stored(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The inverse of `upright`: upright samples (H, W, ...) as the file stores them."""
    transpose, rows, columns = TURNS[orientation]
    turned = array[:, ::-1] if columns else array
    turned = turned[::-1] if rows else turned
    return turned.swapaxes(0, 1) if transpose else turned


def stored_place(
    top: int, left: int, shape: tuple[int, ...], whole: tuple[int, int], orientation: int
) -> tuple[int, int]:
    """Where the top left of a rectangle of the upright photo comes to lie, once `stored` has turned it.

    Args:
        shape: height and width of the rectangle. whole: height and width of the upright photo.
    """
    transpose, rows, columns = TURNS[orientation]
    left = whole[1] - left - shape[1] if columns else left
    top = whole[0] - top - shape[0] if rows else top
    return (left, top) if transpose else (top, left)
