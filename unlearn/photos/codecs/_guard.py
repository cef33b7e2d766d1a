"""What stands before and around every decoder: limits read from the header, and errors turned into one line."""

import contextlib
import warnings
from collections.abc import Iterator

from unlearn.photos.picture import Damaged, LeftOut
from unlearn.photos.writing import Writing

BOMB_PIXELS = 50_000_000
BOMB_PIXELS_PER_BYTE = 1000


def check_size(size: tuple[int, int], stored: int, writing: Writing) -> None:
    """Refuse pictures that are too large, or absurdly large for the `stored` bytes of their file.

    Raises:
        LeftOut: beyond writing.max_pixels, or a decompression bomb.
        Damaged: without any pixels.
    """
    width, height = size
    pixels = width * height
    if width <= 0 or height <= 0:
        raise Damaged(f"{width}x{height} pixels: nothing to decode")
    if pixels > writing.max_pixels:
        raise LeftOut(f"{width}x{height} pixels, more than {writing.max_pixels:,} (max_pixels)")
    if pixels > BOMB_PIXELS and pixels > BOMB_PIXELS_PER_BYTE * stored:
        raise LeftOut(f"{width}x{height} pixels in {stored:,} bytes: a decompression bomb, not decoded")


@contextlib.contextmanager
def decoding(format: str) -> Iterator[None]:
    """Turn whatever a decoder raises on hostile bytes into Damaged, and keep its warnings from the user."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (LeftOut, Damaged):
        raise
    except MemoryError as error:
        raise Damaged(f"{format}: not enough memory to decode it") from error
    except Exception as error:  # decoders raise nearly anything on damaged files
        raise Damaged(f"{format}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    line = " ".join(str(error).split()) or type(error).__name__
    line = "".join(c if c.isprintable() else "?" for c in line)  # it may quote the file: no escape sequences
    return "not a file of this format" if "cannot identify" in line else line[:160]


def chunk_label(name: bytes) -> str:
    """What to call a chunk that is dropped; names are taken from the file, so only letters and digits are shown."""
    shown = name.decode("latin-1").strip()
    return f"{shown} chunk" if shown.isascii() and shown.isalnum() else "unknown chunk"


def missing(package: str, install: str, what: str) -> LeftOut:
    """The reason for a photo whose decoder is not installed, with what to install."""
    return LeftOut(f'{what} needs {package}, which is not installed: pip install "{install}"')
