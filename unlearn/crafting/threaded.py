"""Convolutions of a surrogate's training step, dealt to the cores of a CPU in fixed parts.

The operators' own threads change the bits of sums with their number. Here the parts are fixed, so any number of
threads and processes gives the same bytes. In float32 no sum is divided: outputs and the gradients of images go by
images, those of weights by output channels, which gives the bits of the whole. In bfloat16 all gradients come from one
pass by images, and the weights' are added up in the order of the parts: faster, and other bits than the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

from unlearn.crafting.workers import Workers

PART = 64  # images at most; part of the result, like batch sizes. Smaller ones lay out weights more often than it pays
CHANNELS = 4  # parts of the output channels, each at least as wide as a vector register
NARROW = 16
Gradients = tuple[Tensor | None, ...]
Deal = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]


class Shape(NamedTuple):
    """How a convolution walks over its images."""

    stride: Any
    padding: Any
    dilation: Any
    groups: int


@contextmanager
def threaded(workers: Workers) -> Iterator[None]:
    """Inside, convolutions of batches are dealt to the threads of this process; nothing on a GPU."""
    if workers.device.type != "cpu":
        yield
        return
    with workers.crew() as deal, _Dealt(deal):
        yield


class _Dealt(TorchFunctionMode):
    """Replaces 2D convolutions, wherever a network calls them."""

    def __init__(self, deal: Deal):
        super().__init__()
        self.deal = deal

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.conv2d and not kwargs and len(args) == 7 and not isinstance(args[4], str):
            images, weight, bias, *shape = args
            if images.ndim == 4 and len(images) > PART:
                return _Convolution.apply(*map(_cast, (images, weight, bias)), Shape(*shape), self.deal)
        return func(*args, **(kwargs or {}))


def _cast(tensor: Tensor | None) -> Tensor | None:
    """As mixed precision casts what it hands to a convolution."""
    if tensor is None or not torch.is_autocast_enabled("cpu"):
        return tensor
    return tensor.to(torch.get_autocast_dtype("cpu"))


class _Convolution(torch.autograd.Function):
    """One convolution by parts; gradients of first order only."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, bias: Tensor | None, shape: Shape, deal: Deal) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.bias, ctx.shape, ctx.deal = bias is not None, shape, deal

        @torch.no_grad()  # on the function, because gradient mode belongs to a thread
        def part(piece: Tensor) -> Tensor:
            return torch.conv2d(piece, weight, bias, *shape)

        return torch.cat(deal(part, _parts(images)))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        wanted = Wanted(ctx.needs_input_grad[0], ctx.needs_input_grad[1], ctx.bias and ctx.needs_input_grad[2])
        divide = _without_sums if gradient.dtype == torch.float32 else _by_images
        return *divide(_Piece(gradient, images, weight, wanted), ctx.shape, ctx.deal), None, None


class Wanted(NamedTuple):
    """Which gradients somebody needs."""

    images: bool
    weight: bool
    bias: bool


class _Piece(NamedTuple):
    """A backward pass or a part of it: of some images, or of some output channels."""

    gradient: Tensor
    images: Tensor
    weight: Tensor
    wanted: Wanted

    def by_images(self, wanted: Wanted) -> list[_Piece]:
        pairs = zip(_parts(self.gradient), _parts(self.images), strict=True)
        return [_Piece(gradient, images, self.weight, wanted) for gradient, images in pairs]

    def by_channels(self, wanted: Wanted, parts: int) -> list[_Piece]:
        width = max(NARROW, -(-len(self.weight) // parts))
        pairs = zip(self.gradient.split(width, dim=1), self.weight.split(width), strict=True)
        return [_Piece(gradient, self.images, weight, wanted) for gradient, weight in pairs]


def _parts(images: Tensor) -> Sequence[Tensor]:
    """Parts of nearly the same size: for a handful of images the operators add up in another order."""
    return images.tensor_split(-(-len(images) // PART))


def _backward(shape: Shape) -> Callable[[_Piece], Gradients]:
    @torch.no_grad()
    def of(piece: _Piece) -> Gradients:
        walk = (shape.stride, shape.padding, shape.dilation, False, [0, 0], shape.groups)
        sizes = [len(piece.weight)] if piece.wanted.bias else None
        found: Gradients = torch.ops.aten.convolution_backward(*piece[:3], sizes, *walk, piece.wanted)
        return found

    return of


def _by_images(whole: _Piece, shape: Shape, deal: Deal) -> Gradients:
    """All gradients of a part in one pass; those of weight and bias are added up over the parts."""
    found = deal(_backward(shape), whole.by_images(whole.wanted))
    return _joined(found, 0), _total(found, 1), _total(found, 2)


def _without_sums(whole: _Piece, shape: Shape, deal: Deal) -> Gradients:
    """Gradients of images by images, those of weight and bias by output channels: no sum is cut in two."""
    before, after = Wanted(whole.wanted.images, False, False), whole.wanted._replace(images=False)
    images = whole.by_images(before) if any(before) else []
    weights = whole.by_channels(after, CHANNELS if _divisible(whole.weight, shape) else 1) if any(after) else []
    found = deal(_backward(shape), [*images, *weights])  # together, so that no thread waits in between
    return _joined(found, 0), _joined(found, 1), _joined(found, 2)


def _divisible(weight: Tensor, shape: Shape) -> bool:
    """Whether output channels can be told apart: those of a group look at channels of the images that others don't, and
    1x1 kernels are matrix products, whose order of summation depends on their width."""
    return shape.groups == 1 and weight.shape[2:].numel() > 1


def _joined(parts: Sequence[Gradients], kind: int) -> Tensor | None:
    """Gradients of one kind in a row; None where nobody wants them."""
    found = [gradient for part in parts if (gradient := part[kind]) is not None]
    return torch.cat(found) if found else None


def _total(parts: Sequence[Gradients], kind: int) -> Tensor | None:
    """Their sum in the order of the parts, in float32; None where nobody wants them."""
    found = [gradient for part in parts if (gradient := part[kind]) is not None]
    if not found:
        return None
    total = found[0].float()
    for part in found[1:]:
        total += part
    return total.to(found[0].dtype)
