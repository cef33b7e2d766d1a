"""YuNet, from a file that the user has: `face_detection_yunet_2023mar.onnx` of OpenCV's model zoo, or its kin.

Wu, Peng, Yu, Machine Intelligence Research 2023, *YuNet: A Tiny Millisecond-level Face Detector*. No weights are
shipped; OpenCV's model zoo lists them under MIT.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from unlearn.faces.detectors._views import Pixels, Search, search
from unlearn.faces.face import Face
from unlearn.faces.weights import WeightsError, package, verified

# By file name, so that a known file is never a damaged one.
KNOWN: Final = {
    "face_detection_yunet_2023mar.onnx": "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
}
# It finds faces of 10 to 300 pixels: half of MTCNN's size of the photo, for the same smallest face and large portraits.
# Its `sure` and `turned` are not measured.
HOW: Final = Search(long_side=640, sure=0.8, turned=0.9)
SCORE: Final = 0.6
OVERLAP: Final = 0.3
CANDIDATES: Final = 5000


class YuNet:
    """OpenCV's detector. Threads take turns, as it holds the size of its last image."""

    name: str = "yunet"

    def __init__(self, network: Any):
        self._network = network
        self._turn = threading.Lock()

    def find(self, image: Pixels) -> tuple[Face, ...]:
        """All faces of an upright photo (H, W, 3) RGB or (H, W, 1) gray, the largest first."""
        with self._turn:
            return search(image, self._look, HOW)

    def _look(self, image: Pixels) -> Iterator[Face]:
        self._network.setInputSize(image.shape[1::-1])
        # Colors as OpenCV stores them: blue first.
        _, rows = self._network.detect(np.ascontiguousarray(image[:, :, ::-1]))
        for row in [] if rows is None else rows.astype(np.float64):
            # Left, top, width, height; five points, the eye on the left of the image first; score.
            left, top, width, height = row[:4].tolist()
            yield Face(row[4:14].reshape(5, 2), (left, top, left + width, top + height), float(row[14]))


def load(path: Path) -> YuNet:
    """The detector of an ONNX file.

    Raises:
        WeightsError: the file is missing, damaged, not what its name says or another network, or OpenCV is missing.
    """
    cv2 = package("cv2")
    if not path.is_file():
        raise WeightsError(f"no YuNet at {path}: give the path of face_detection_yunet_2023mar.onnx, or use mtcnn")
    if path.name in KNOWN:
        verified(path, KNOWN[path.name])
    try:
        network = cv2.FaceDetectorYN.create(str(path), "", (320, 320), SCORE, OVERLAP, CANDIDATES)
        detector = YuNet(network)
        network.detect(np.zeros((320, 320, 3), np.uint8))
    except cv2.error as error:
        reason = str(error.err or error).strip().splitlines()[0]
        raise WeightsError(f"{path} is not a YuNet that OpenCV {cv2.__version__} can run ({reason})") from None
    return detector
