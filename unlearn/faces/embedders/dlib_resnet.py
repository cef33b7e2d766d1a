"""dlib's face recogniser: a ResNet of 29 convolutions (dlib_face_recognition_resnet_model_v1), trained as a metric.

He et al., CVPR 2016, *Deep residual learning* (the architecture); davisking/dlib-models (weights, public domain).
Deviation: dlib cuts its crop by landmarks of its own, here it follows from the five points that all recognisers share.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from unlearn.faces.embedders import _dlib_tensors
from unlearn.faces.face import Face, Points
from unlearn.faces.geometry import Matrix, similarity
from unlearn.faces.recogniser import Recogniser
from unlearn.faces.weights import weight_file

SIDE: Final = 150
SHA256: Final = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
# Mean of each channel, red first, in levels 0..255.
MEAN: Final = (122.782, 117.001, 104.298)
# (channels in, channels out, whether it halves the sides) from input to output.
BLOCKS: Final = (
    *[(32, 32, False)] * 3,
    (32, 64, True),
    *[(64, 64, False)] * 3,
    (64, 128, True),
    *[(128, 128, False)] * 2,
    (128, 256, True),
    *[(256, 256, False)] * 2,
    (256, 256, True),
)
FEATURES: Final = 128
# Where the five points lie in dlib's own chip (MTCNN's points, dlib's upsampled HOG box and five landmarks): means over
# 317 photos of LFW. On 100 photos of other people the crop placed by them gives features at an L2 distance of 0.128
# (90 %: 0.193) from those of dlib's chip, cosine 0.996 (least: 0.972); the same person's other photos are at 0.4.
CHIP_POINTS: Final[Points] = np.array(
    [(50.377, 48.683), (104.736, 48.593), (77.072, 80.540), (53.738, 108.349), (101.757, 108.237)]
)
# Eyes lie within 2 pixels of these, nose and mouth within 5: each eye counts four times.
COUNTED: Final = [0, 0, 0, 0, 1, 1, 1, 1, 2, 3, 4]
# Cosine at a false-accept rate of 1e-3 on LFW, 30 people x 10 photos and 120 others, cut by `place`: true accept 0.945.
# It stands for dlib's L2 distance of 0.543 between features that are not normalized.
THRESHOLD: Final = 0.926


class Block(nn.Module):
    """Two convolutions beside a shortcut; a halving one pads nothing at first, and zeros where the two sides differ."""

    def __init__(self, first: nn.Conv2d, second: nn.Conv2d):
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, H, W) to (B, C', H, W), or to about half the height and width."""
        path = self.second(F.relu(self.first(x)))
        short = x if self.first.stride == (1, 1) else F.avg_pool2d(x, 2)
        size = [max(pair) for pair in zip(path.shape[1:], short.shape[1:], strict=True)]
        return F.relu(_grown(path, size) + _grown(short, size))


def _grown(x: Tensor, size: list[int]) -> Tensor:
    """Features with zeros behind the last channel, row and column, up to `size` (C, H, W)."""
    missing = [want - have for want, have in zip(size, x.shape[1:], strict=True)]
    if not any(missing):
        return x
    return F.pad(x, (0, missing[2], 0, missing[1], 0, missing[0]))


class DlibResNet(nn.Module):
    """Crops (B, 3, 150, 150) in [0, 1], RGB, to features (B, 128) of a length of about 1.4."""

    mean: Tensor

    def __init__(self, body: nn.Module, head: nn.Linear):
        super().__init__()
        self.body, self.head = body, head
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])

    def forward(self, crops: Tensor) -> Tensor:
        """Features of crops."""
        return self.head(self.body((crops * 255 - self.mean) / 256).mean(dim=(2, 3)))


def _convolutions() -> Iterator[tuple[int, int, int, int, int]]:
    """(channels in, channels out, kernel, stride, padding) of every convolution, from input to output."""
    yield 3, 32, 7, 2, 0
    for inputs, outputs, halves in BLOCKS:
        yield inputs, outputs, 3, 2 if halves else 1, 0 if halves else 1
        yield outputs, outputs, 3, 1, 1


def _layout() -> Iterator[tuple[bytes, _dlib_tensors.Shape]]:
    """Label and sizes of every tensor of the file: a convolution, its affine layer, ..., the last matrix."""
    for inputs, outputs, kernel, _, _ in _convolutions():
        yield b"con_4", (outputs * (inputs * kernel**2 + 1), 1, 1, 1)
        yield b"affine_", (2 * outputs, 1, 1, 1)
    yield b"fc_2", (256, FEATURES, 1, 1)


def network(path: Path) -> DlibResNet:
    """dlib's recogniser with the weights of a file, frozen.

    Raises:
        WeightsError: cannot be read, damaged, or another network's.
    """
    *found, matrix = _dlib_tensors.tensors(path, list(_layout()))
    pairs = zip(_convolutions(), found[::2], found[1::2], strict=True)
    stem, *rest = (_folded(*shape, kernel, affine) for shape, kernel, affine in pairs)
    blocks = [Block(first, second) for first, second in list(pairwise(rest))[::2]]
    body = nn.Sequential(stem, nn.ReLU(), nn.MaxPool2d(3, 2), *blocks)
    head = nn.Linear(256, FEATURES, bias=False, device="meta")
    head.weight = _fixed(matrix.reshape(256, FEATURES).T)
    return DlibResNet(body, head).eval().to(memory_format=torch.channels_last)


def _folded(
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int,
    padding: int,
    values: NDArray[np.float32],
    affine: NDArray[np.float32],
) -> nn.Conv2d:
    """A convolution (weights, then biases) with the affine layer behind it (factors, then shifts) folded in."""
    factor, shift = affine.astype(np.float64).reshape(2, outputs)
    weights, bias = np.split(values.astype(np.float64), [-outputs])
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding, device="meta")
    layer.weight = _fixed(weights.reshape(outputs, inputs, kernel, kernel) * factor[:, None, None, None])
    layer.bias = _fixed(bias * factor + shift)
    return layer


def _fixed(values: NDArray[np.floating]) -> nn.Parameter:
    """A parameter of its own memory that does not learn."""
    return nn.Parameter(torch.from_numpy(np.array(values, np.float32, order="C")), requires_grad=False)


def place(face: Face) -> Matrix:
    """Photo pixels to crop pixels: about dlib's own chip of 150 pixels with a padding of 0.25."""
    return similarity(face.points[COUNTED], CHIP_POINTS[COUNTED])


def load() -> Recogniser:
    """The recogniser, from the installed package's weights."""
    file = weight_file("face-recognition-models", "dlib_face_recognition_resnet_model_v1.dat", SHA256)
    return Recogniser(
        name="dlib",
        network=network(file),
        side=SIDE,
        place=place,
        threshold=THRESHOLD,
        licence="public domain (CC0), Davis King; package face-recognition-models: MIT",
        trained_on="about 3 million web photos of 7,485 people: VGG Face, FaceScrub and others",
        family="ResNet-29, metric loss",
    )
