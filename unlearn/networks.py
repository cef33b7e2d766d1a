"""Networks by name: one function each, (classes, channels, size) -> module for images in [0, 1].

Below STEM_LIMIT pixels the torchvision networks get the stem that is usual for CIFAR (He et al.,
CVPR 2016, section 4.2): a 3x3 convolution with stride 1 and no pooling.
"""

from __future__ import annotations

from itertools import pairwise
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from unlearn import efficientnet

if TYPE_CHECKING:
    from torchvision import models

STEM_LIMIT = 64


class _Block(nn.Sequential):
    """Convolution, batch normalization, ReLU."""

    def __init__(self, inside: int, outside: int):
        super().__init__(
            nn.Conv2d(inside, outside, 3, padding=1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
        )


def small_cnn(classes: int, channels: int, size: int) -> nn.Module:
    """Three convolutions, 0.1 M parameters: trains on two CPU cores in seconds."""
    return nn.Sequential(
        *(_Block(channels, 32), nn.MaxPool2d(2)),
        *(_Block(32, 64), nn.MaxPool2d(2)),
        *(_Block(64, 128), nn.MaxPool2d(2)),
        *(nn.AdaptiveAvgPool2d(4), nn.Flatten()),
        nn.Linear(128 * 16, classes),
    )


def linear(classes: int, channels: int, size: int) -> nn.Module:
    """Logistic regression on pixels: what a data set gives away without any convolution."""
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))


def resnet18(classes: int, channels: int, size: int) -> nn.Module:
    """He et al., CVPR 2016."""
    return _resnet(_torchvision().resnet18(num_classes=classes), channels, size)


def resnet50(classes: int, channels: int, size: int) -> nn.Module:
    """He et al., CVPR 2016."""
    return _resnet(_torchvision().resnet50(num_classes=classes), channels, size)


def _torchvision() -> ModuleType:
    from torchvision import models  # takes longer to import than torch, and the small networks do without

    return models


def _resnet(network: models.ResNet, channels: int, size: int) -> nn.Module:
    if size < STEM_LIMIT:
        network.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()
    elif channels != 3:
        network.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    return network


def densenet121(classes: int, channels: int, size: int) -> nn.Module:
    """Huang et al., CVPR 2017."""
    network = _torchvision().densenet121(num_classes=classes)
    if size < STEM_LIMIT:
        network.features.conv0 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        network.features.pool0 = nn.Identity()
    elif channels != 3:
        network.features.conv0 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    return network


def vgg11(classes: int, channels: int, size: int) -> nn.Module:
    """Simonyan and Zisserman, ICLR 2015, with batch normalization and one linear layer."""
    network = _torchvision().vgg11_bn(num_classes=classes)
    if channels != 3:
        network.features[0] = nn.Conv2d(channels, 64, 3, padding=1)
    if size < 32:
        network.features[-1] = nn.Identity()  # the fifth pooling would leave no pixel
    network.avgpool = nn.AdaptiveAvgPool2d(1)
    network.classifier = nn.Linear(512, classes)
    return network


def efficientnet_lite0(classes: int, channels: int, size: int) -> nn.Module:
    """Tan and Le, ICML 2019, the lite release: 4.7 M parameters, for weights that were trained elsewhere."""
    return efficientnet.efficientnet_lite0(classes, channels, stem_stride=1 if size < STEM_LIMIT else 2)


class Whitening(nn.Conv2d):
    """Frozen convolution of 2x2 patches that `fit` makes decorrelate the training images; each filter in both signs.

    Until it is fitted its weights are random ones.
    """

    SIDE = 2
    FLOOR = 5e-4  # added to variances, in units of the images' variance, so that flat directions are not blown up

    def __init__(self, channels: int):
        super().__init__(channels, 2 * channels * self.SIDE**2, self.SIDE)
        self.weight.requires_grad_(False)

    @torch.no_grad()
    def fit(self, images: Tensor, block: int = 256) -> None:
        """Take filters and bias from the mean and covariance of the patches of float images (N, C, H, W)."""
        count, total, products = 0, torch.zeros((), device=images.device), torch.zeros((), device=images.device)
        for part in images.split(block):
            patches = part.unfold(2, self.SIDE, 1).unfold(3, self.SIDE, 1).permute(0, 2, 3, 1, 4, 5)
            rows = patches.reshape(-1, patches.shape[3:].numel()).double()
            count, total, products = count + len(rows), total + rows.sum(0), products + rows.T @ rows
        mean = total / count
        variances, directions = torch.linalg.eigh(products / count - mean.outer(mean))
        # A direction's sign is the solver's choice; its largest part is made positive.
        signs = directions.gather(0, directions.abs().argmax(0, keepdim=True)).sign()
        filters = (directions * signs / (variances.clamp(min=0) + self.FLOOR * variances.mean()).sqrt()).T
        both = torch.cat([filters, -filters])
        self.weight.copy_(both.reshape(self.weight.shape))
        if self.bias is not None:
            self.bias.copy_(-both @ mean)


class _Scale(nn.Module):
    def __init__(self, factor: float):
        super().__init__()
        self.factor = factor

    def forward(self, logits: Tensor) -> Tensor:
        """Logits (B, K), scaled."""
        return logits * self.factor


def prescreen_airbench94(classes: int, channels: int, size: int) -> nn.Module:
    """Pre-screen, no verdict: whitening and six convolutions. Jordan, arXiv 2404.00498, airbench94, without lookahead.

    The whitening is to be fitted to the training images, and its bias is trained all the time.
    """
    first = Whitening(channels)
    widths = (first.out_channels, 64, 256, 256)
    groups = [layer for pair in pairwise(widths) for layer in _airbench_group(*pair)]
    head = nn.Linear(widths[-1], classes, bias=False)
    return nn.Sequential(first, nn.GELU(), *groups, nn.AdaptiveMaxPool2d(1), nn.Flatten(), head, _Scale(1 / 9))


def _airbench_group(inside: int, outside: int) -> tuple[nn.Module, ...]:
    """Two convolutions that start as identities, with normalization that has no weights but biases."""
    convolutions = [nn.Conv2d(i, outside, 3, padding=1, bias=False) for i in (inside, outside)]
    norms = [nn.BatchNorm2d(outside, eps=1e-12, momentum=0.4) for _ in convolutions]
    for convolution, norm in zip(convolutions, norms, strict=True):
        nn.init.dirac_(convolution.weight[: convolution.in_channels].detach())
        norm.weight.requires_grad_(False)
    return (convolutions[0], nn.MaxPool2d(2), norms[0], nn.GELU(), convolutions[1], norms[1], nn.GELU())
