"""The photo as a detector sees it: RGB, no larger than needed, perhaps turned; and faces put back into the photo."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from unlearn.faces.detectors._boxes import by_smaller, distinct, sides
from unlearn.faces.face import Face, Points
from unlearn.faces.sizes import reduced

Pixels = NDArray[np.uint8]
Look = Callable[[Pixels], Iterable[Face]]
# Below this the landmarks say nothing about a face, and a similarity from them would blow up.
SMALLEST_EYE_DISTANCE: Final = 2.0
# Two views show the same face from this share of the smaller box on.
SAME_FACE: Final = 0.4
# Quarter turns are first tried with this longer side, at a quarter of the time for photos without a face.
TURNED_SIDE: Final = 640


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
    small, ratio = reduced(image, how.long_side)
    small = np.ascontiguousarray(np.broadcast_to(small, (*small.shape[:2], 3)))
    found = _usable(look(small), small.shape)
    if all(face.score < how.sure for face in found):
        found = _distinct([*found, *_turned(small, look, how.turned)])
    faces = [face.placed(lambda points: (points + 0.5) * ratio - 0.5) for face in found]
    return tuple(sorted(faces, key=lambda face: (-_area(face), face.box)))


def _turned(small: Pixels, look: Look, score: float) -> Iterable[Face]:
    """Faces of the three quarter turns with at least this score."""
    height, width = small.shape[:2]
    # Where a pixel (x, y) of np.rot90(small, turns) lies in `small`.
    places: dict[int, Callable[[Points], Points]] = {
        1: lambda p: np.stack([width - 1 - p[:, 1], p[:, 0]], axis=1),
        2: lambda p: np.stack([width - 1 - p[:, 0], height - 1 - p[:, 1]], axis=1),
        3: lambda p: np.stack([p[:, 1], height - 1 - p[:, 0]], axis=1),
    }
    for turns, place in places.items():
        view = np.ascontiguousarray(np.rot90(small, turns))
        glance, _ = reduced(view, TURNED_SIDE)
        found = _sure(look(glance), glance.shape, score)
        if found and glance.shape != view.shape:
            found = _sure(look(view), view.shape, score)
        yield from (face.placed(place) for face in found)


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


def _sure(faces: Iterable[Face], shape: tuple[int, ...], score: float) -> list[Face]:
    return [face for face in _usable(faces, shape) if face.score >= score]


def _area(face: Face) -> float:
    return float(sides(np.array([face.box])).prod())
