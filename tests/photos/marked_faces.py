"""Faces without persons: a white and a black square for eyes, and a detector that finds them."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from unlearn.faces.face import Face
from unlearn.faces.geometry import TEMPLATE, moved, similarity
from unlearn.photos import keys
from unlearn.photos.keys import Key
from unlearn.quantities import FINE

Eyes = tuple[tuple[float, float], tuple[float, float]]
BRIGHT, DARK = 232, 23


def face_at(first: tuple[float, float], second: tuple[float, float]) -> Face:
    """The face whose eyes lie at two points (x, y)."""
    points = moved(similarity(TEMPLATE[:2], np.array([first, second], float)), TEMPLATE)
    reach = float(np.linalg.norm(points[1] - points[0]))
    x, y = points.mean(0)
    return Face(points, (x - reach, y - 1.2 * reach, x + reach, y + 1.2 * reach))


def scene(
    eyes: Sequence[Eyes],
    size: tuple[int, int] = (400, 300),
    gray: bool = False,
    seed: int = 0,
) -> NDArray[np.uint8]:
    """An upright photo (H, W, 3) of middling tones with marked eyes."""
    height, width = size[1], size[0]
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [90 + (x * (1 + k) // 8 + y // 4 + seed * 7) % 60 for k in range(3)]
    pixels = (np.stack(planes, 2) + generator.integers(0, 12, (height, width, 3))).astype(np.uint8)
    if gray:
        pixels = pixels[..., :1].repeat(3, axis=2)
    for first, second in eyes:
        side = max(3, round(0.12 * float(np.hypot(second[0] - first[0], second[1] - first[1]))))
        for (ex, ey), value in ((first, 255), (second, 0)):
            left, top = round(ex) - side // 2, round(ey) - side // 2
            pixels[max(0, top) : top + side, max(0, left) : left + side] = value
    return pixels


@dataclass(frozen=True)
class Marked:
    """The finder of marked faces; picklable, as worker processes need it."""

    about: str = "marks"

    def __call__(self, image: NDArray[np.uint8]) -> tuple[Face, ...]:
        """Faces of an upright photo, the largest first."""
        luma = image.mean(axis=2)
        firsts, seconds = _spots(luma > BRIGHT), _spots(luma < DARK)
        faces = []
        for first in firsts:
            second = min(seconds, key=lambda spot: np.hypot(spot[0] - first[0], spot[1] - first[1]), default=None)
            if second is not None:
                faces.append(face_at(first, second))
        return tuple(sorted(faces, key=lambda face: (-face.eye_distance, face.box)))

    def check(self) -> None:
        """Nothing to load."""


def _spots(mask: NDArray[Any]) -> list[tuple[float, float]]:
    labels, count = ndimage.label(mask)
    sizes = ndimage.sum(mask, labels, range(1, count + 1))
    kept = [i + 1 for i, size in enumerate(np.atleast_1d(sizes)) if size >= 6]
    return [(float(x), float(y)) for y, x in ndimage.center_of_mass(mask, labels, kept)] if kept else []


EYES: Eyes = ((236.0, 118.0), (268.0, 120.0))
SECOND: Eyes = ((70.0, 80.0), (90.0, 79.0))


def save(path: Path, pixels: NDArray[np.uint8], **options: Any) -> Path:
    """A photo in its own format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def face_key(
    subject: str = "everyone", seed: int = 0, levels: float = 8, value: int | None = None, side: int = 56
) -> Key:
    """Noise for faces: random, or one value in levels everywhere."""
    limit = int(levels * FINE)
    drawn = np.random.default_rng(seed).integers(-limit, limit + 1, (1, 3, side, side))
    delta = (drawn if value is None else np.full_like(drawn, value * FINE)).astype(np.int16)
    return Key(subject, delta, levels / 255, "mid", bytes([seed % 256]) * 32, "", "matching", frame="face")


def saved_face_key(path: Path, subject: str = "everyone", **options: Any) -> Path:
    """A key file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    keys.save(path, face_key(subject, **options))
    return path


@dataclass(frozen=True)
class RandomCloak:
    """Noise for every photo's faces, drawn from a secret and the photo's pixels."""

    secret: bytes = bytes(32)
    id: str = "cloakcloakcloak1"
    epsilon: float = 8 / 255

    def __call__(self, image: NDArray[np.uint8], faces: Sequence[Face], pixels: bytes) -> NDArray[np.int16]:
        """Noise (F, 3, 56, 56)."""
        seed = int.from_bytes(hmac.digest(self.secret, pixels, "sha256")[:7], "little")
        return np.random.default_rng(seed).integers(-2048, 2049, (len(faces), 3, 56, 56)).astype(np.int16)


def regions(named: list[tuple[str, tuple[float, float, float, float]]]) -> str:
    """An XMP packet with face regions: name, and left, top, width, height in [0, 1] of the stored photo."""
    items = "".join(
        f'<rdf:li><rdf:Description mwg-rs:Name="{name}" mwg-rs:Type="Face"><mwg-rs:Area stArea:x="{x + w / 2}" '
        f'stArea:y="{y + h / 2}" stArea:w="{w}" stArea:h="{h}" stArea:unit="normalized"/></rdf:Description></rdf:li>'
        for name, (x, y, w, h) in named
    )
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/" '
        'xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#" xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#">'
        '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:AppliedToDimensions stDim:w="400" stDim:h="300" '
        f'stDim:unit="pixel"/><mwg-rs:RegionList><rdf:Bag>{items}</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )


def box_of(eyes: Eyes, size: tuple[int, int] = (400, 300)) -> tuple[float, float, float, float]:
    """Left, top, width and height in [0, 1] of a marked face."""
    left, top, right, bottom = face_at(*eyes).box
    return left / size[0], top / size[1], (right - left) / size[0], (bottom - top) / size[1]
