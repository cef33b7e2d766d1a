"""Is there a second picture in a written file? Walks the format's real structure, part by part.

The only picture allowed besides the main one is a JPEG thumbnail in EXIF's IFD1, and only if it shows the same pixels.
"""

import functools
import importlib
import io
import pkgutil
import struct
from types import ModuleType

import numpy as np
from PIL import Image

from unlearn.photos import codecs, scans, thumbnails
from unlearn.photos.picture import Damaged, LeftOut, Picture
from unlearn.photos.scans import _embedded
from unlearn.photos.writing import Writing

# By how much a thumbnail may differ from one made anew, as the photo's own coding lies between them: 1.5 levels at
# JPEG quality 75, 5.5 at quality 10, on photos of 500 pixels.
MEAN_LEVELS = 8.0
_MOST_FINDINGS = 20


@functools.cache
def formats() -> tuple[str, ...]:
    """Formats whose structure is known."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(scans.__path__) if not m.name.startswith("_")))


def scan(data: bytes, format: str) -> list[str]:
    """What a file of this format holds besides its main picture, in plain sentences; empty when clean.

    Never raises: bytes that are no such file are a finding.
    """
    if format not in formats():
        return [f"no leak scan for {format}"]
    found = []
    for finding in _walk(format).findings(data):
        found.append(finding)
        if len(found) == _MOST_FINDINGS:
            break
    return found


def clean(data: bytes, format: str, written: Picture | None = None, thumbnail: bytes | None = None) -> list[str]:
    """Findings of `scan`, and proof that a thumbnail shows the main picture as it was written.

    Args:
        written: the file's own content decoded again, if the caller has it; it is decoded here otherwise.
        thumbnail: the one made from the protected pixels, if the caller has it: the file's must then be that one.
            Without it the file's thumbnail is compared with one made anew, which tells another picture, but cannot
            tell faint noise from the photo's own coding.
    """
    found = scan(data, format)
    own = _embedded.thumbnail(_walk(format).exif_block(data)) if format in formats() else None
    if own is None or own == thumbnail:
        return found
    if thumbnail is not None:
        return [*found, "the thumbnail is not the one made from the protected pixels"]
    try:
        written = written or codecs.codec(format).read(data, Writing())
    except (LeftOut, Damaged) as error:
        return [*found, f"cannot be decoded: {error}"]
    return [*found, *_compared(own, thumbnails.thumbnail(written))]


def _walk(format: str) -> ModuleType:
    return importlib.import_module(f"unlearn.photos.scans.{format}")


def _compared(own: bytes, expected: bytes) -> list[str]:
    distance = 0.0 if own == expected else _distance(own, expected)
    if distance is None:
        return ["the thumbnail cannot be decoded, or has another shape than the photo"]
    far = distance > MEAN_LEVELS
    return [f"the thumbnail shows other pixels than the photo ({distance:.1f} levels apart on average)"] if far else []


def _distance(first: bytes, second: bytes) -> float | None:
    """Mean difference of two thumbnails in levels of 255; None if they cannot be compared."""
    try:
        arrays = []
        for data in (first, second):
            with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
                if max(image.size) > thumbnails.LONG_SIDE:
                    return None
                arrays.append(np.asarray(image.convert("RGB"), np.int16))
    except (OSError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError):  # Pillow on damaged JPEGs
        return None
    if arrays[0].shape != arrays[1].shape:
        return None
    return float(np.abs(arrays[0] - arrays[1]).mean())
