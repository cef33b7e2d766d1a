"""A face as a detector found it. Torch-free."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Face:
    """One face, in pixels of the *upright* photo; pixel centers lie at whole numbers.

    points: shape (5, 2), x and y of: eye on the left of the face as one sees it upright, other eye, tip of the nose,
        corner of the mouth on the left, other corner. They keep this order where the face lies turned in the photo.
    box: left, top, right, bottom as the detector gave them; may reach beyond the photo.
    score: the detector's confidence in [0, 1].
    """

    points: Points
    box: tuple[float, float, float, float]
    score: float = 1.0

    @property
    def eye_distance(self) -> float:
        """Pixels between the eyes."""
        return float(np.linalg.norm(self.points[1] - self.points[0]))

    def placed(self, place: Callable[[Points], Points]) -> "Face":
        """The same face in another image, into whose pixels `place` maps points (P, 2) of this one."""
        left, top, right, bottom = self.box
        corners = place(np.array([(left, top), (right, bottom)], dtype=np.float64))
        (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
        return Face(place(self.points), (left, top, right, bottom), self.score)

    def scaled(self, factor: float) -> "Face":
        """The same face in an image that is `factor` times as large."""
        return self.placed(lambda points: (points + 0.5) * factor - 0.5)


class Detector(Protocol):
    """Finds faces."""

    name: str

    def find(self, image: NDArray[np.uint8]) -> tuple[Face, ...]:
        """All faces of an upright photo (H, W, 3) RGB or (H, W, 1) gray, the largest first."""
        ...
