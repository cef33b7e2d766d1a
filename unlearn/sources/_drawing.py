"""The drawing of the embedded set: six patterns in random colors at random places.

Everything is drawn with whole numbers from the raw words of PCG64, whose stream is fixed, so that the pixels
are the same on every machine. The first images of a larger set equal those of a smaller one.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from unlearn.quantities import LEVELS

Whole = NDArray[np.int32]
Pattern = Callable[[Whole, Whole, Whole], NDArray[np.bool_]]

UNIT = 64  # subpixel steps in a pixel
FINE = 2  # samples per pixel and side; their mean is the pattern's soft edge
ANGLES = 64
TURN = 1024  # sine and cosine in this many parts
CLUTTER = 3  # blobs an image
CORNERS = 4  # colors that the background runs between
RELIEF = 22  # levels by which the pattern is lighter or darker: strong enough to learn, slow enough to be hidden
TRAITS = 3 * CORNERS + 5  # random words an image, besides those of its clutter
BLOCK = 128  # images drawn at a time, so that their coordinates stay in the cache

# Local coordinates (u, v) around a random place, turned by a random angle, and half a period.
PATTERNS: dict[str, Pattern] = {
    "stripes": lambda u, v, p: u // p % 2 == 0,
    "checks": lambda u, v, p: (u // p + v // p) % 2 == 0,
    "dots": lambda u, v, p: ((u % (2 * p) - p) ** 2 + (v % (2 * p) - p) ** 2) * 100 <= p * p * 62,
    "rings": lambda u, v, p: np.sqrt(u * u + v * v).astype(np.int32) // p % 2 == 0,
    "zigzag": lambda u, v, p: (u + abs(v % (2 * p) - p)) // p % 2 == 0,
    "grid": lambda u, v, p: (u % (2 * p) * 2 < p) | (v % (2 * p) * 2 < p),
}


def drawn(count: int, stream: list[int], size: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures uint8 (N, 3, size, size) and labels (N,), the classes in turn; `stream` are the generator's seeds."""
    labels = np.arange(count) % len(PATTERNS)
    traits = _raw([*stream, 0], (count, TRAITS + 6 * CLUTTER))
    grain = _raw([*stream, 1], (count, 3 * size * size // 4))
    pictures = np.empty((count, 3, size, size), dtype=np.uint8)
    for start in range(0, count, BLOCK):
        part = slice(start, start + BLOCK)
        pictures[part] = _draw(labels[part], traits[part], grain[part], size)
    return pictures, labels


def _raw(stream: list[int], shape: tuple[int, int]) -> NDArray[np.uint64]:
    """Random words (N, K), row after row, so that more rows leave the first ones alone."""
    words: NDArray[np.uint64] = np.random.PCG64(stream).random_raw(math.prod(shape)).reshape(shape)
    return words


def _draw(labels: NDArray[np.int64], traits: NDArray[np.uint64], grain: NDArray[np.uint64], size: int) -> Whole:
    """A block of images as whole numbers in [0, 255], shape (N, 3, size, size)."""
    canvas = _background(traits[:, : 3 * CORNERS], size)
    for blob in np.split(traits[:, TRAITS:], CLUTTER, axis=1):
        _paint(canvas, _blob(blob, size), _color(blob[:, 3:6]))
    lighter = np.where(traits[:, 16] >> np.uint64(63), 1, -1).astype(np.int32)[:, None, None]
    relief = (_coverage(labels, traits[:, 12:16], size) * 2 - FINE * FINE) * lighter
    # Two bytes of a word add up to triangular grain of a few levels.
    pairs = grain.view(np.uint8).reshape(len(labels), 3, size, size, 2).astype(np.int32).sum(-1)
    return np.clip(canvas + (relief * RELIEF // (FINE * FINE))[:, None] + (pairs - LEVELS) // 64, 0, LEVELS)


def _color(words: NDArray[np.uint64]) -> Whole:
    """Colors away from black and white, where noise would be cut off."""
    return (words >> np.uint64(8)).astype(np.uint8).astype(np.int32) * 13 // 16 + 24


def _background(words: NDArray[np.uint64], size: int) -> Whole:
    """A smooth run between four random colors, (N, 3, size, size)."""
    corners = [_color(part)[:, :, None, None] for part in np.split(words, CORNERS, axis=1)]
    along = np.arange(size, dtype=np.int32) * 2 + 1
    x, y, whole = along[None, None, None, :], along[None, None, :, None], 2 * size
    top, bottom = (left * (whole - x) + right * x for left, right in (corners[:2], corners[2:]))
    return ((top * (whole - y) + bottom * y) // (whole * whole)).astype(np.int32)


def _paint(canvas: Whole, coverage: Whole, color: Whole) -> None:
    """Blend a color (N, 3) in place; coverage (N, size, size) in 0..FINE**2."""
    full = FINE * FINE
    canvas += (color[:, :, None, None] - canvas) * coverage[:, None] // full


def _between(words: NDArray[np.uint64], low: int, high: int) -> Whole:
    """Whole numbers in [low, high), shape (N, 1, 1)."""
    return ((words >> np.uint64(16)) % np.uint64(high - low)).astype(np.int32)[:, None, None] + np.int32(low)


def _grid(size: int) -> Whole:
    return (np.arange(size * FINE, dtype=np.int32) * 2 + 1) * (UNIT // (2 * FINE))


def _blob(words: NDArray[np.uint64], size: int) -> Whole:
    """Coverage of a small disc anywhere in the image."""
    x, y = (_between(words[:, i], 0, size * UNIT) for i in range(2))
    radius = _between(words[:, 2], size * UNIT // 32, size * UNIT // 12)
    grid = _grid(size)
    return _mean((grid - x) ** 2 + (grid[:, None] - y) ** 2 <= radius**2)


def _coverage(labels: NDArray[np.int64], words: NDArray[np.uint64], size: int) -> Whole:
    """Coverage (N, size, size) of each image's pattern, with a random period, place and angle."""
    half = _between(words[:, 0], size * UNIT * 36 // 320, size * UNIT * 60 // 320)
    x, y = (_between(words[:, i], 0, size * UNIT) for i in (1, 2))
    sine, cosine = _turn(words[:, 3])
    grid = _grid(size)
    dx, dy = grid - x, grid[:, None] - y
    u, v = (cosine * dx + sine * dy) // TURN, (cosine * dy - sine * dx) // TURN
    inside = np.empty(u.shape, dtype=bool)
    for label, pattern in enumerate(PATTERNS.values()):
        mine = labels == label
        inside[mine] = pattern(u[mine], v[mine], half[mine])
    return _mean(inside)


def _turn(words: NDArray[np.uint64]) -> tuple[Whole, Whole]:
    table = [round(math.sin(2 * math.pi * i / ANGLES) * TURN) for i in range(ANGLES)]
    angle = _between(words, 0, ANGLES)
    sines = np.array(table, dtype=np.int32)
    return sines[angle], sines[(angle + ANGLES // 4) % ANGLES]


def _mean(inside: NDArray[np.bool_]) -> Whole:
    """Samples inside, per pixel: (N, size*FINE, size*FINE) to (N, size, size)."""
    count, side = inside.shape[0], inside.shape[1] // FINE
    return inside.reshape(count, side, FINE, side, FINE).sum((2, 4), dtype=np.int32)
