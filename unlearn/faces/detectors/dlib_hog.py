"""dlib's frontal face detector: histograms of gradients, a linear classifier, then landmarks by regression trees.

Dalal, Triggs, CVPR 2005; Kazemi, Sullivan, CVPR 2014. Weights: 5-point predictor of `face-recognition-models` (CC0).
A second opinion: another kind of detector than the networks, and weaker on turned and small faces.
"""

import threading
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from unlearn.faces.detectors._views import Pixels, Search, search
from unlearn.faces.face import Face, Points
from unlearn.faces.geometry import moved, similarity
from unlearn.faces.weights import package, weight_file

PREDICTOR: Final = (
    "face-recognition-models",
    "shape_predictor_5_face_landmarks.dat",
    "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
)
# dlib searches from 80 pixels up; doubling the photo once reaches faces of 40.
DOUBLINGS: Final = 1
# Least margin of the classifier, and the logistic function of it as the score: LFW's upright faces score 0.60 and more,
# the same faces turned at most 0.61.
MARGIN: Final = 0.0
HOW: Final = Search(long_side=1280, sure=0.65, turned=0.6)
# Where the middle of each eye and the base of the nose lie in the template, and the five points beside them: medians
# over 867 LFW photos, of which dlib's and MTCNN's points were both moved by the similarity of MTCNN's to the template.
SEEN: Final[Points] = np.array([(38.33, 53.65), (73.13, 53.36), (56.15, 79.92)])
MEANT: Final[Points] = np.array([(38.07, 52.29), (73.77, 52.04), (55.84, 73.03), (40.64, 91.31), (71.53, 91.18)])


class DlibHog:
    """Detector and predictor. Threads take turns."""

    name: str = "dlib"

    def __init__(self, detector: Any, predictor: Any):
        self._detector, self._predictor = detector, predictor
        self._turn = threading.Lock()

    def find(self, image: Pixels) -> tuple[Face, ...]:
        """All faces of an upright photo (H, W, 3) RGB or (H, W, 1) gray, the largest first."""
        with self._turn:
            return search(image, self._look, HOW)

    def _look(self, image: Pixels) -> Iterator[Face]:
        if min(image.shape[:2]) < 20:
            return
        boxes, margins, _ = self._detector.run(image, DOUBLINGS, MARGIN)
        for box, margin in zip(boxes, margins, strict=True):
            parts = self._predictor(image, box).parts()
            corners = np.array([(part.x, part.y) for part in parts], dtype=np.float64)
            edges = (float(box.left()), float(box.top()), float(box.right()), float(box.bottom()))
            yield Face(five_points(corners), edges, float(1 / (1 + np.exp(-margin))))


def five_points(corners: Points) -> Points:
    """The points of `Face` from dlib's five.

    dlib gives the outer and inner corner of the eye on the right of the image, of the one on the left, and the base of
    the nose. The eyes are the middles of their corners; the rest follows from a mean face.
    """
    eyes = np.stack([corners[2:4].mean(0), corners[:2].mean(0)])
    rest = moved(similarity(SEEN, np.vstack([eyes, corners[4:]])), MEANT[2:])
    return np.vstack([eyes, rest])


def load() -> DlibHog:
    """The detector with its weights.

    Raises:
        WeightsError: `dlib-bin` or `face-recognition-models` is missing, or the weight file is damaged.
    """
    dlib = package("dlib")
    return DlibHog(dlib.get_frontal_face_detector(), dlib.shape_predictor(str(weight_file(*PREDICTOR))))
