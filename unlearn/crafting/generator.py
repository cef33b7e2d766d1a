"""A network from images and labels to noise: U-shaped (Ronneberger et al., MICCAI 2015), small, without normalization.

A sample's noise depends on that sample alone, at any size of image; see amortization.py for the settings.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearn import randomness
from unlearn.crafting.amortization import Generator


def build(settings: Generator, channels: int, shape: tuple[int, ...], classes: int, seed: int) -> Network:
    """With weights of this seed, from images of so many channels to noise of shape (C, H, W); channels_last."""
    with randomness.seeded(seed):
        network = Network(settings, channels, shape, classes)
    return network.to(memory_format=torch.channels_last)


class Network(nn.Module):
    """Down by strided convolutions, up by repeated pixels, with a sum across at every scale."""

    def __init__(self, settings: Generator, channels: int, shape: tuple[int, ...], classes: int):
        super().__init__()
        width, self.size = settings.width, shape[1:]

        def scales(stride: int) -> nn.ModuleList:
            each = (_Scale(width, width, classes, settings.cells, stride) for _ in range(settings.depth))
            return nn.ModuleList(each)

        self.first = _Scale(channels, width, classes, settings.cells, 1)
        self.down, self.up = scales(2), scales(1)
        self.last = nn.Conv2d(width, shape[0], 3, padding=1)

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Values in (-1, 1), float32 (B, C, H, W), for images (B, C, H, W) in [0, 1] and labels (B,)."""
        if images.shape[2:] != self.size:
            images = F.interpolate(images, self.size, mode="bilinear", antialias=True)
        classes = labels.unique(return_inverse=True)
        maps = [self.first(2 * images - 1, *classes)]
        for scale in self.down:
            maps.append(scale(maps[-1], *classes))
        found = maps.pop()
        for scale in self.up:
            across = maps.pop()
            found = across + F.interpolate(scale(found, *classes), across.shape[2:])
        return torch.tanh(self.last(found).float())


class _Scale(nn.Module):
    """A convolution, the map of the label's class, ReLU."""

    def __init__(self, inside: int, outside: int, classes: int, cells: int, stride: int):
        super().__init__()
        self.convolution = nn.Conv2d(inside, outside, 3, stride, padding=1)
        self.classes = nn.Parameter(0.5 * torch.randn(classes, outside, cells, cells))

    def forward(self, maps: Tensor, classes: Tensor, member: Tensor) -> Tensor:
        """classes (K,): those in the batch; member (B,): each sample's place among them."""
        found = self.convolution(maps)
        told = F.interpolate(self.classes[classes], found.shape[2:], mode="bilinear").to(found.dtype)
        return F.relu(found + told[member])
