"""EfficientNet-Lite0: Tan and Le, ICML 2019, as Google's `lite` release changed it in 2020.

No squeeze-and-excitation, ReLU6 for swish, stem and head of fixed width. Pads as TensorFlow does, so that published
weights fit, and takes images in [0, 1], which it scales itself. No dropout: its draws would depend on the batches.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STAGES = (  # kernel, stride of the first block, expansion, channels, blocks
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
STEM, HEAD = 32, 1280
MEAN, SCALE = 127 / 255, 128 / 255


@torch.fx.wrap
def _padded(images: Tensor, kernel: int, stride: int) -> Tensor:
    """Zeros around, as TensorFlow's SAME: one more below and at the right where the number is odd."""
    missing = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in images.shape[-2:]]
    height, width = missing
    return F.pad(images, (width // 2, width - width // 2, height // 2, height - height // 2))


class _Same(nn.Module):
    def __init__(self, kernel: int, stride: int):
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, images: Tensor) -> Tensor:
        return _padded(images, self.kernel, self.stride)


class _Scaled(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return (images - MEAN) / SCALE


def _layer(inside: int, outside: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Padding, convolution, batch normalization."""
    pad = [_Same(kernel, stride)] if kernel > 1 else []
    convolution = nn.Conv2d(inside, outside, kernel, stride, groups=groups, bias=False)
    return [*pad, convolution, nn.BatchNorm2d(outside, eps=1e-3, momentum=0.01)]


class _Block(nn.Module):
    """Inverted residual: expand, filter every channel, project."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = inside * expansion
        expand = [*_layer(inside, wide), nn.ReLU6(inplace=True)] if expansion > 1 else []
        filter = [*_layer(wide, wide, kernel, stride, groups=wide), nn.ReLU6(inplace=True)]
        self.branch = nn.Sequential(*expand, *filter, *_layer(wide, outside))
        self.skips = stride == 1 and inside == outside

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.branch(images)
        return out + images if self.skips else out


def efficientnet_lite0(classes: int, channels: int, stem_stride: int) -> nn.Module:
    """For images (B, channels, H, W) in [0, 1]; logits (B, classes)."""
    blocks, inside = [], STEM
    for kernel, stride, expansion, outside, count in STAGES:
        for number in range(count):
            blocks.append(_Block(inside, outside, kernel, stride if number == 0 else 1, expansion))
            inside = outside
    stem = [*_layer(channels, STEM, 3, stem_stride), nn.ReLU6(inplace=True)]
    head = [*_layer(inside, HEAD), nn.ReLU6(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(_Scaled(), *stem, *blocks, *head, nn.Linear(HEAD, classes))
