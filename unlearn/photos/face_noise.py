"""Noise for the faces of one photo: found, told apart, and covered with the noise of whoever they are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearn.faces import spreading
from unlearn.faces.face import Face
from unlearn.photos import finding, whose
from unlearn.photos.carrying import Carried
from unlearn.photos.jobs import Cloak, Finder
from unlearn.photos.keys import Key
from unlearn.photos.noise import Patch
from unlearn.photos.picture import Picture
from unlearn.quantities import FINE, whole_levels

NO_FACE, NO_KEY, ALL_SMALL = "no face found", "no key for its faces", "faces too small for any recogniser"


@dataclass(frozen=True, eq=False)
class Covered:
    """Faces of a photo, upright. found: all of them. protected: those with noise. small: too small to be protected.

    patches: the noise. epsilon: its budget, 0 without any. notes: for the user.
    """

    found: tuple[Face, ...] = ()
    protected: tuple[Face, ...] = ()
    small: int = 0
    patches: tuple[Patch, ...] = ()
    epsilon: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def lack(self) -> str:
        """Why no face is protected."""
        if not self.found:
            return NO_FACE
        return ALL_SMALL if self.small == len(self.found) else NO_KEY

    def facts(self) -> dict[str, Any]:
        """Columns of the row."""
        side = min((int(finding.side(face)) for face in self.protected), default=None)
        counts = {"faces": len(self.found), "faces_protected": len(self.protected), "faces_small": self.small}
        return counts | {"face_side": side}


def covered(picture: Picture, carried: Carried, pixels: bytes, finder: Finder, cloak: Cloak | None) -> Covered:
    """Find the faces of a photo and make the noise for them.

    Args:
        pixels: the photo's pixel hash, which chooses the keys' variants.
    """
    image = finding.eight_bits(picture)
    height, width = image.shape[:2]
    found = finder(image)
    names, notes = whose.names(found, carried.named, height, width, picture.orientation)
    large = [(face, name) for face, name in zip(found, names, strict=True) if not finding.is_small(face)]
    laid = [_Laid(face, key.variant(pixels), key.epsilon) for face, name in large for key in carried.of_face(name)]
    if cloak and large:
        laid += _cloaked(cloak, image, [face for face, _ in large], pixels)
    patches = tuple(_patches(laid, height, width))
    protected = tuple(face for face, _ in large if any(each.face is face for each in laid))
    epsilon = max((each.epsilon for each in laid), default=0.0)
    return Covered(found, protected, len(found) - len(large), patches, epsilon, notes)


@dataclass(frozen=True, eq=False)
class _Laid:
    """Noise (C, S, S) in 1/FINE of a level for one face."""

    face: Face
    noise: NDArray[np.int16]
    epsilon: float


def _cloaked(cloak: Cloak, image: NDArray[np.uint8], faces: Sequence[Face], pixels: bytes) -> list[_Laid]:
    noise = cloak(image, faces, pixels)
    return [_Laid(face, each, cloak.epsilon) for face, each in zip(faces, noise, strict=True)]


def _patches(laid: Sequence[_Laid], height: int, width: int) -> Iterator[Patch]:
    for each in laid:
        limit = whole_levels(each.epsilon)
        levels = (each.noise.astype(np.float32) / FINE).clip(-limit, limit).transpose(1, 2, 0)
        patch, (top, left) = spreading.spread(np.ascontiguousarray(levels), each.face, height, width)
        if patch.size:
            yield Patch(patch, top, left, limit)


def stand_in(epsilon: float = 8 / 255, side: int = 224) -> Key:
    """A key of the usual size that changes nothing, for measuring time."""
    return Key("", np.zeros((1, 3, side, side), np.int16), epsilon, "mid", bytes(32), "", "matching", frame="face")
