"""Thumbnails made from protected pixels: small, deterministic, in the stored orientation like EXIF's own."""

import io

import numpy as np
from PIL import Image

from unlearn.photos import exif
from unlearn.photos.picture import Picture
from unlearn.photos.writing import Writing

LONG_SIDE = 160
_QUALITY = 85
_REDUCING_GAP = 2.0  # boxes do the first part of the reduction, at a fraction of the filter's time
_WORKING = 4 * LONG_SIDE  # larger photos are sampled down to about this size, then averaged: 16 samples a pixel


def wanted(picture: Picture, writing: Writing) -> bool:
    """True if the source had a thumbnail, the user wants one, and the photo is clearly larger than it would be."""
    asked = writing.thumbnails == "rebuild" and writing.metadata != "strip"
    return asked and max(picture.pixels.shape[:2]) >= 2 * LONG_SIDE and exif.has_thumbnail(picture.exif)


def thumbnail(picture: Picture) -> bytes:
    """A JPEG of picture.pixels with a long side of at most LONG_SIDE pixels; alpha plays no part."""
    height, width = picture.pixels.shape[:2]
    step = max(1, max(height, width) // _WORKING)
    middle = (min(step, height, width) - 1) // 2
    samples = np.ascontiguousarray(picture.pixels[middle::step, middle::step])
    if picture.levels > 255:
        samples = ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
    image = Image.fromarray(samples[:, :, 0] if samples.shape[2] == 1 else samples)
    scale = min(1.0, LONG_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    stream = io.BytesIO()
    small = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=_REDUCING_GAP)
    small.save(stream, format="JPEG", quality=_QUALITY)
    return stream.getvalue()
