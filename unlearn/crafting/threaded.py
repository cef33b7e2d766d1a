"""Convolutions of a surrogate's training step, dealt to the cores of a CPU in fixed parts of the batch.

The operators' own threads change the bits of sums with their number. Here the parts are fixed, and so is the order in
which their weight gradients are added up: any number of threads and processes gives the same bytes. Only in bfloat16,
because adding up by parts changes bits against the float32 mode, whose results stay as they are.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

from unlearn.crafting.workers import Workers

PART = 64  # images; part of the result, like batch sizes. Smaller ones lay out the weights more often than it pays
Deal = Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]


class Shape(NamedTuple):
    """How a convolution walks over its images."""

    stride: Any
    padding: Any
    dilation: Any
    groups: int


@contextmanager
def threaded(workers: Workers, precision: torch.dtype) -> Iterator[None]:
    """Inside, convolutions of batches are dealt to the threads of this process; nothing in float32 or on a GPU."""
    if workers.device.type != "cpu" or precision == torch.float32:
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

        return torch.cat(deal(part, images.split(PART)))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        stride, padding, dilation, groups = ctx.shape
        wanted = [ctx.needs_input_grad[0], ctx.needs_input_grad[1], ctx.bias and ctx.needs_input_grad[2]]
        sizes = [len(weight)] if ctx.bias else None

        @torch.no_grad()
        def part(piece: tuple[Tensor, Tensor]) -> tuple[Tensor | None, ...]:
            walk = (stride, padding, dilation, False, [0, 0], groups)
            found: tuple[Tensor | None, ...] = torch.ops.aten.convolution_backward(
                piece[0], piece[1], weight, sizes, *walk, wanted
            )
            return found

        pairs = list(zip(gradient.split(PART), images.split(PART), strict=True))
        before, weights, biases = zip(*ctx.deal(part, pairs), strict=True)
        return torch.cat(before) if wanted[0] else None, _total(weights), _total(biases), None, None


def _total(parts: Sequence[Tensor | None]) -> Tensor | None:
    """The sum in the order of the parts, in float32; None where no gradient is wanted."""
    found = [part for part in parts if part is not None]
    if not found:
        return None
    total = found[0].float()
    for part in found[1:]:
        total += part
    return total.to(found[0].dtype)
