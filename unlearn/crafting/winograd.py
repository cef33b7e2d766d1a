"""Wide convolutions of a frozen surrogate on a CPU in float32, with a quarter of the multiplications.

Lavin and Gray, CVPR 2016: minimal filtering F(4x4, 3x3). 16 outputs of a 3x3 filter cost 36 products of transformed
tiles and filters in place of 144. Filters of frozen networks are transformed once a round; the gradient for images is
the same operation with the filters turned. Exact in real arithmetic; rounding is five to ten times that of the plain
sum, which changes the sign of a ResNet-18's gradient no more often than the order of a sum does.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

WIDE = 64  # channels from which it paid on a Xeon with AVX-512
OUT = 4  # pixels of a side of an output tile; an input tile has two more
TILES = 128  # worked on at once: what they take, 36 numbers a channel each, stays near the cache
# B^T, G and A^T of the paper, section 4.3.
Transform = tuple[tuple[float, ...], ...]
OF_IMAGES: Transform = (
    *((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0)),
    *((0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1)),
)
OF_FILTERS: Transform = (
    *((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6)),
    *((1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0, 0, 1)),
)
OF_OUTPUTS: Transform = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))


def replace(network: nn.Module) -> None:
    """Put a `Winograd` in the place of every convolution that gains; weights must stay as they are from now on."""
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Conv2d) and _gains(module):
            network.set_submodule(name, Winograd(module))


def _gains(conv: nn.Conv2d) -> bool:
    shape = (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups, conv.padding_mode)
    wide = min(conv.in_channels, conv.out_channels) >= WIDE
    return wide and shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1, "zeros")


class Winograd(nn.Module):
    """A frozen 3x3 convolution; as it was on other devices and in mixed precision, which it would not survive."""

    forth: Tensor
    back: Tensor

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        self.conv = conv
        weight = conv.weight.detach()
        self.register_buffer("forth", _filters(weight), persistent=False)
        self.register_buffer("back", _filters(weight.transpose(0, 1).flip(2, 3)), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) to (B, D, H, W)."""
        if images.device.type != "cpu" or images.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
            found: Tensor = self.conv(images)
            return found
        filtered: Tensor = _Filtering.apply(images, self.forth, self.back, self.conv.bias)
        return filtered


class _Filtering(torch.autograd.Function):
    """Linear in the images but for the bias, so its gradient is itself with the other filters."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, forth: Tensor, back: Tensor, bias: Tensor | None) -> Tensor:
        ctx.filters = back, forth
        return _filtered(images, forth, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return _Filtering.apply(gradient, *ctx.filters, None), None, None, None


def _filters(weight: Tensor) -> Tensor:
    """Weights (D, C, 3, 3) transformed, shape (36, C, D)."""
    outside, inside = weight.shape[:2]
    # One product for all filters: a small one for each took longer than a noise step.
    taps = weight.permute(2, 3, 1, 0).reshape(9, inside * outside)
    return (_twice(OF_FILTERS).to(weight.device) @ taps).view(36, inside, outside)


def _filtered(images: Tensor, filters: Tensor, bias: Tensor | None) -> Tensor:
    """Images (B, C, H, W) through filters (36, C, D), plus bias (D,): (B, D, H, W), in the layout `channels_last`."""
    height, width = images.shape[2:]
    high, wide = -(-height // OUT), -(-width // OUT)
    out = torch.empty(len(images), filters.shape[2], high * OUT, wide * OUT, memory_format=torch.channels_last)
    at_once = min(len(images), max(1, TILES // (high * wide)))
    room = _Room.of(at_once, high, wide, filters)
    whole, into = (tensor.permute(0, 2, 3, 1).split(at_once) for tensor in (images, out))
    for part, place in zip(whole, into, strict=True):
        if len(part) < at_once:
            room = _Room.of(len(part), high, wide, filters)
        room.fill(part, filters)
        place = place.unflatten(1, (high, OUT)).unflatten(3, (wide, OUT))
        place.copy_(room.outputs()) if bias is None else torch.add(room.outputs(), bias, out=place)
    if (high * OUT, wide * OUT) == (height, width):
        return out
    # A copy: what follows may work in place, which autograd forbids on a view.
    return out[:, :, :height, :width].clone(memory_format=torch.channels_last)


class _Room(NamedTuple):
    """Where the parts of a batch are worked on, one after the other: new memory would have to be cleared each time."""

    padded: Tensor
    tiles: Tensor
    transformed: Tensor
    products: Tensor
    made: Tensor

    @classmethod
    def of(cls, images: int, high: int, wide: int, filters: Tensor) -> _Room:
        """For so many images of high x wide tiles, whose margins stay zero."""
        inside, outside = filters.shape[1:]
        count = images * high * wide
        return cls(
            torch.zeros(images, high * OUT + 2, wide * OUT + 2, inside),
            torch.empty(OUT + 2, OUT + 2, images, high, wide, inside),
            torch.empty(36, count, inside),
            torch.empty(36, count, outside),
            torch.empty(OUT, OUT, images, high, wide, outside),
        )

    def fill(self, images: Tensor, filters: Tensor) -> None:
        """Images (B, H, W, C) through filters (36, C, D)."""
        self.padded[:, 1 : images.shape[1] + 1, 1 : images.shape[2] + 1] = images
        self.tiles.copy_(self.padded.unfold(1, OUT + 2, OUT).unfold(2, OUT + 2, OUT).permute(4, 5, 0, 1, 2, 3))
        torch.mm(_twice(OF_IMAGES), self.tiles.view(36, -1), out=self.transformed.view(36, -1))
        torch.bmm(self.transformed, filters, out=self.products)
        torch.mm(_twice(OF_OUTPUTS), self.products.view(36, -1), out=self.made.view(OUT * OUT, -1))

    def outputs(self) -> Tensor:
        """What `fill` made, shape (B, h, 4, w, 4, D)."""
        return self.made.permute(2, 3, 0, 4, 1, 5)


@cache
def _twice(transform: Transform) -> Tensor:
    """The transform of rows and columns at once, as one matrix."""
    one = torch.tensor(transform, dtype=torch.float64)
    return torch.kron(one, one).float()
