"""Drawn photos: a smooth sky, textured hills, and a person whose face, hair and clothes tell who it is.

Nothing is copied from anywhere. The same arguments give the same pixels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MARKER = (255, 0, 220)  # a color that no scene has: clean copies are drawn with it, so that tests can look for it
Pixels = NDArray[np.uint8]
DRAWN = 640  # longer side at which shapes are drawn; larger photos are enlarged and get grain of their own


def scene(width: int, height: int, seed: int = 0, person: int | None = 0) -> Pixels:
    """uint8 (height, width, 3): `person` somewhere in landscape number `seed`; None draws no person."""
    scale = min(1.0, DRAWN / max(width, height))
    small = _draw(max(8, round(width * scale)), max(8, round(height * scale)), seed, person)
    if scale == 1.0:
        return small
    large = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
    return _grain(large, seed, 3)


def _draw(width: int, height: int, seed: int, person: int | None) -> Pixels:
    draws = np.random.default_rng((seed, 1))
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    y, x = down / height, across / height
    top, bottom = draws.integers(90, 150, 3), draws.integers(190, 235, 3)
    picture = (1 - y[..., None]) * top + y[..., None] * bottom
    for hill in range(3):
        horizon = 0.45 + 0.15 * hill + _ridge(x, draws, 0.08)
        color = draws.integers(40, 130, 3) - 12 * hill
        shade = color + _texture(height, width, draws, 10 + 6 * hill)[..., None]
        picture = np.where((y > horizon)[..., None], shade, picture)
    if person is not None:
        _person(picture, x, y, width / height, draws, np.random.default_rng((person, 2)))
    return _grain(picture.clip(4, 250).astype(np.uint8), seed, 2)


def _ridge(x: NDArray[Any], draws: np.random.Generator, height: float) -> NDArray[Any]:
    """A rolling line made of parabolas."""
    phase = (x * draws.uniform(1.5, 4) + draws.uniform()) % 1
    return height * (1 - (2 * phase - 1) ** 2)


def _texture(height: int, width: int, draws: np.random.Generator, strength: float) -> NDArray[Any]:
    """Grass, gravel: noise on two scales."""
    coarse = draws.integers(0, 256, (height // 8 + 2, width // 8 + 2), dtype=np.uint8)
    large = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)
    fine = draws.integers(0, 256, (height, width), dtype=np.uint8)
    return strength * (large / 128 - 1) + strength * 0.6 * (fine / np.float32(128) - 1)


def _person(
    picture: NDArray[Any],
    x: NDArray[Any],
    y: NDArray[Any],
    width: float,
    draws: np.random.Generator,
    looks: np.random.Generator,
) -> None:
    """Shoulders, hair, a shaded face, eyes and a mouth; `looks` belongs to the person, `draws` to the photo."""
    skin, hair, shirt = looks.integers(120, 225), looks.integers(20, 140, 3), looks.integers(30, 220, 3)
    stripes, breadth, gap = looks.integers(6, 30), looks.uniform(0.75, 1.0), looks.uniform(0.3, 0.45)
    size = draws.uniform(0.16, 0.22)
    cx, cy = width * draws.uniform(0.35, 0.65), draws.uniform(0.38, 0.5)
    u, v = (x - cx) / size, (y - cy) / size
    body = (u / 2.2) ** 2 + ((v - 3.2) / 2) ** 2 < 1
    picture[body] = shirt + 25 * (((u + v) * stripes / 4).astype(int)[body] % 2)[:, None]
    picture[(u / (breadth + 0.15)) ** 2 + ((v + 0.2) / 1.2) ** 2 < 1] = hair
    face = (u / breadth) ** 2 + (v / 1.15) ** 2 < 1
    shade = skin * (1 - 0.18 * (u + 0.4) ** 2 - 0.1 * v**2)
    picture[face] = np.stack([shade, shade * 0.8, shade * 0.68], axis=-1)[face]
    for side in (-gap, gap):
        picture[((u - side) / 0.16) ** 2 + ((v + 0.2) / 0.1) ** 2 < 1] = 240
        picture[((u - side) / 0.08) ** 2 + ((v + 0.2) / 0.09) ** 2 < 1] = hair / 3
    picture[(u / 0.4) ** 2 + ((v - 0.55) / 0.1) ** 2 < 1] = (150, 70, 70)


def _grain(pixels: Pixels, seed: int, strength: int) -> Pixels:
    """Sensor noise of up to `strength` levels; tiled, so that large photos are made quickly."""
    draws = np.random.default_rng((seed, 3))
    height, width = pixels.shape[:2]
    tile = draws.integers(-strength, strength + 1, (min(height, 509), min(width, 523), 3), dtype=np.int16)
    result = np.empty_like(pixels)
    for row in range(0, height, tile.shape[0]):
        for column in range(0, width, tile.shape[1]):
            part = pixels[row : row + tile.shape[0], column : column + tile.shape[1]]
            noisy = part + tile[: part.shape[0], : part.shape[1]]
            result[row : row + part.shape[0], column : column + part.shape[1]] = noisy.clip(4, 250)
    return result


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """Stored pixels of an upright picture for an EXIF orientation from 1 to 8."""
    stored = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: a.swapaxes(0, 1)[::-1],
        7: lambda a: a.swapaxes(0, 1)[::-1, ::-1],
        8: lambda a: a.swapaxes(0, 1)[:, ::-1],
    }
    return np.ascontiguousarray(stored[orientation](pixels))


def marker(width: int, height: int) -> Pixels:
    """A picture of the marker color."""
    return np.tile(np.array(MARKER, np.uint8), (height, width, 1))
