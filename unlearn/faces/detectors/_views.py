"""The photo as a detector sees it: RGB, no larger than needed, perhaps turned; and faces put back into the photo."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from unlearn.faces.detectors._boxes import by_smaller, distinct, sides
from unlearn.faces.face import Face, Points
from unlearn.faces.weights import package

Pixels = NDArray[np.uint8]
Look = Callable[[Pixels], Iterable[Face]]
# Below this the landmarks say nothing about a face, and a similarity from them would blow up.
SMALLEST_EYE_DISTANCE: Final = 2.0
# Two views show the same face from this share of the smaller box on.
SAME_FACE: Final = 0.4


@dataclass(frozen=True)
class Search:
    """How a photo is searched.

    long_side: pixels of the photo's longer side at most, in what the detector sees.
    sure: with an upright face of this score, no turned view is looked at.
    turned: score that a face of a turned view needs: each view is another chance to see a face in the wallpaper.
    """

    long_side: int
    sure: float
    turned: float


def search(image: Pixels, look: Look, how: Search) -> tuple[Face, ...]:
    """Faces of a photo (H, W, 3) or (H, W, 1), the largest first.

    Where no upright face is sure, quarter turns are tried too: some photos have a wrong EXIF orientation, and a face
    upside down looks a little like an upright one. The better view of a face counts. A turned face's points keep their
    order, so that its similarity to the template holds the turn.
    """
    if not image.size:
        return ()
    small = _reduced(image, how.long_side)
    found = _usable(look(small), small.shape)
    if all(face.score < how.sure for face in found):
        found = _distinct([*found, *(face for face in _turned(small, look) if face.score >= how.turned)])
    ratio = np.array(image.shape[1::-1]) / np.array(small.shape[1::-1])
    faces = [_moved(face, lambda points: (points + 0.5) * ratio - 0.5) for face in found]
    return tuple(sorted(faces, key=lambda face: (-_area(face), face.box)))


def _reduced(image: Pixels, long_side: int) -> Pixels:
    """The photo as (h, w, 3)."""
    cv2 = package("cv2")
    factor = min(1.0, long_side / max(image.shape[:2]))
    width, height = (max(1, round(side * factor)) for side in image.shape[1::-1])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) if factor < 1 else image
    return np.ascontiguousarray(np.broadcast_to(small.reshape(height, width, -1), (height, width, 3)))


def _turned(small: Pixels, look: Look) -> Iterable[Face]:
    """Faces of the three quarter turns."""
    height, width = small.shape[:2]
    # Where a pixel (x, y) of np.rot90(small, turns) lies in `small`.
    places: dict[int, Callable[[Points], Points]] = {
        1: lambda p: np.stack([width - 1 - p[:, 1], p[:, 0]], axis=1),
        2: lambda p: np.stack([width - 1 - p[:, 0], height - 1 - p[:, 1]], axis=1),
        3: lambda p: np.stack([p[:, 1], height - 1 - p[:, 0]], axis=1),
    }
    for turns, place in places.items():
        view = np.ascontiguousarray(np.rot90(small, turns))
        yield from (_moved(face, place) for face in _usable(look(view), view.shape))


def _distinct(faces: list[Face]) -> list[Face]:
    """Each face once, in the view with the highest score."""
    boxes = np.array([face.box for face in faces]).reshape(-1, 4)
    scores = np.array([face.score for face in faces], dtype=np.float64)
    return [faces[i] for i in distinct(boxes, scores, SAME_FACE, by_smaller)]


def _usable(faces: Iterable[Face], shape: tuple[int, ...]) -> list[Face]:
    """Faces whose eyes and nose are inside; what the border cuts off around them does not matter."""
    limits = np.array(shape[1::-1]) - 0.5
    return [
        face
        for face in faces
        if np.isfinite(face.points).all()
        and ((face.points[:3] >= -0.5) & (face.points[:3] <= limits)).all()
        and face.eye_distance >= SMALLEST_EYE_DISTANCE
    ]


def _moved(face: Face, place: Callable[[Points], Points]) -> Face:
    left, top, right, bottom = face.box
    corners = place(np.array([(left, top), (right, bottom)], dtype=np.float64))
    (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
    return Face(place(face.points), (left, top, right, bottom), face.score)


def _area(face: Face) -> float:
    return float(sides(np.array([face.box])).prod())
