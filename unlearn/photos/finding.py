"""Faces of a photo, found on its upright pixels at 8 bits; the detector is loaded when it is first needed."""

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlearn.faces import detectors
from unlearn.faces.face import Detector, Face
from unlearn.faces.sizes import reduced
from unlearn.faces.weights import package
from unlearn.photos.jobs import Finder
from unlearn.photos.picture import Picture, upright

SMALLEST = 20  # pixels of a face's longer side, from which a recogniser may make something of it
LEAST_BETWEEN_EYES = 2.0
# Surroundings of a face: a square of three times its size, made as small as this.
AROUND, AROUND_SIDE = 1.0, 300


@dataclass(frozen=True)
class Found:
    """The finder of a detector's name, or of the path of its network."""

    detector: str = "mtcnn"

    @property
    def about(self) -> str:
        """The name, and for a path what the file holds."""
        path = Path(self.detector)
        return f"{path.name} {_digest(path)[:16]}" if path.is_file() else self.detector

    def __call__(self, image: NDArray[np.uint8]) -> tuple[Face, ...]:
        """Faces of an upright photo (H, W, 1 or 3), the largest first.

        Raises:
            WeightsError, UnknownName: the detector cannot be loaded.
        """
        return _loaded(self.detector).find(image)

    def check(self) -> None:
        """Load the detector, so that what is wrong with it is known before anything is written.

        Raises:
            WeightsError, UnknownName: it cannot be loaded.
        """
        _loaded(self.detector)


@functools.cache
def _loaded(detector: str) -> Detector:
    found = detectors.load(detector)
    package("cv2").setNumThreads(1)  # photos are spread over the cores, not the work on one of them
    return found


@functools.cache
def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def eight_bits(picture: Picture) -> NDArray[np.uint8]:
    """The upright photo (H, W, 1 or 3) as detectors want it."""
    shown = upright(picture.pixels, picture.orientation)
    eight = shown if picture.levels == 255 else (shown // (picture.levels // 255)).astype(np.uint8)
    return np.ascontiguousarray(eight)


def near(finder: Finder, image: NDArray[np.uint8], face: Face) -> Iterator[Face]:
    """Faces in the surroundings of a face, in pixels of the photo (H, W, 1 or 3)."""
    edges = np.array(face.box).reshape(2, 2)
    margin = AROUND * side(face)
    left, top = np.maximum(np.floor(edges[0] - margin), 0).astype(int)
    right, bottom = np.ceil(edges[1] + margin).astype(int)
    part = np.ascontiguousarray(image[top : max(bottom, 0), left : max(right, 0)])
    small, ratio = reduced(part, AROUND_SIDE) if part.size else (part, np.ones(2))
    for found in finder(small):
        yield found.placed(lambda points: (points + 0.5) * ratio - 0.5 + (left, top))


def side(face: Face) -> float:
    """Pixels of the box's longer side."""
    left, top, right, bottom = face.box
    return max(right - left, bottom - top)


def is_small(face: Face) -> bool:
    """True for faces that no recogniser can tell from others, and where landmarks are none."""
    apart = bool(np.isfinite(face.points).all()) and face.eye_distance >= LEAST_BETWEEN_EYES
    return side(face) < SMALLEST or not apart
