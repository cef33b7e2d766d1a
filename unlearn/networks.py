"""Networks by name: one function each, (classes, channels, size) -> module for images in [0, 1].

Below STEM_LIMIT pixels the torchvision networks get the stem that is usual for CIFAR (He et al.,
CVPR 2016, section 4.2): a 3x3 convolution with stride 1 and no pooling.
"""

from torch import nn
from torchvision import models

from unlearn import efficientnet

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
    return _resnet(models.resnet18(num_classes=classes), channels, size)


def resnet50(classes: int, channels: int, size: int) -> nn.Module:
    """He et al., CVPR 2016."""
    return _resnet(models.resnet50(num_classes=classes), channels, size)


def _resnet(network: models.ResNet, channels: int, size: int) -> nn.Module:
    if size < STEM_LIMIT:
        network.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()
    elif channels != 3:
        network.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    return network


def densenet121(classes: int, channels: int, size: int) -> nn.Module:
    """Huang et al., CVPR 2017."""
    network = models.densenet121(num_classes=classes)
    if size < STEM_LIMIT:
        network.features.conv0 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        network.features.pool0 = nn.Identity()
    elif channels != 3:
        network.features.conv0 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    return network


def vgg11(classes: int, channels: int, size: int) -> nn.Module:
    """Simonyan and Zisserman, ICLR 2015, with batch normalization and one linear layer."""
    network = models.vgg11_bn(num_classes=classes)
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
