"""ReLU and the error function of infinitely wide layers: what they make of covariances and of the tangent kernel.

Pairs of images go through an activation some at a time, and anew for gradients: all that is held on the way would be a
dozen times the inputs, too much for a core's cache and, for large sets, for memory.
"""

from collections.abc import Callable
from math import pi
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

EDGE = 1e-12  # of a cosine from 1, where the kernel of ReLU has no finite slope
PART = 2**15  # pairs that go through together

# Of covariances and a tangent kernel (places, N, M) and of what stands for the variances, (places, N) and (places, M)
Values = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
Slopes = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor, Tensor]]


class Pairs(NamedTuple):
    """Covariances of units and the tangent kernel so far, both (..., N, M), and variances (..., N) and (..., M)."""

    covariance: Tensor
    tangent: Tensor
    left: Tensor
    right: Tensor


def relu(pairs: Pairs) -> Pairs:
    """Cho and Saul, NeurIPS 2009: arc-cosine kernels of degree 1 and 0."""
    covariance, tangent = _through(_relu, _relu_slopes, pairs, pairs.left.sqrt(), pairs.right.sqrt())
    return Pairs(covariance, tangent, pairs.left / 2, pairs.right / 2)


def erf(pairs: Pairs) -> Pairs:
    """Williams, NeurIPS 1996."""
    left, right = (1 + 2 * side for side in (pairs.left, pairs.right))
    covariance, tangent = _through(_erf, _erf_slopes, pairs, left, right)
    return Pairs(covariance, tangent, *((1 - 1 / side).asin() * 2 / pi for side in (left, right)))


def _through(values: Values, slopes: Slopes, pairs: Pairs, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Covariance and tangent kernel; without places, the samples on the left take their part."""
    covariance, tangent = pairs.covariance, pairs.tangent
    if covariance.ndim == 2:
        covariance, tangent, left, right = (
            covariance[:, None],
            tangent[:, None],
            left[:, None],
            right.expand(len(left), -1),
        )
    found = _InParts.apply(values, slopes, covariance, tangent, left, right)
    return found[0].reshape(pairs.covariance.shape), found[1].reshape(pairs.covariance.shape)


class _InParts(torch.autograd.Function):
    """An activation, some places at a time."""

    @staticmethod
    def forward(ctx: FunctionCtx, values: Values, slopes: Slopes, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Covariance and tangent kernel behind the layer."""
        ctx.save_for_backward(*inputs)
        ctx.slopes = slopes  # type: ignore[attr-defined]
        return _by_parts(values, inputs, inputs[:2])

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Of the inputs."""
        inputs = ctx.saved_tensors  # type: ignore[attr-defined]
        return None, None, *_by_parts(ctx.slopes, (*inputs, *gradients), inputs)  # type: ignore[attr-defined]


def _by_parts(
    work: Callable[..., tuple[Tensor, ...]], inputs: tuple[Tensor, ...], like: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """What work(*inputs) returns, shaped as `like`; all of them have the places first."""
    found = tuple(each.new_empty(each.shape) for each in like)
    step = max(1, PART // inputs[0][0].numel())
    for start in range(0, len(inputs[0]), step):
        part = slice(start, start + step)
        for whole, piece in zip(found, work(*(each[part] for each in inputs)), strict=True):
            whole[part] = piece
    return found


def _relu(covariance: Tensor, tangent: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Of standard deviations."""
    scale, cosine, sine, share = _angles(covariance, left, right)
    return sine.div_(2 * pi).addcmul_(share, cosine).mul_(scale), tangent * share


def _relu_slopes(
    covariance: Tensor, tangent: Tensor, left: Tensor, right: Tensor, outer: Tensor, inner: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of `_relu`'s inputs, given those of its covariance (`outer`) and its tangent kernel (`inner`).

    With the angle a, whose cosine is c, the derivative of sin(a) + (pi - a) c with respect to c is pi - a.
    """
    scale, cosine, sine, share = _angles(covariance, left, right)
    by_covariance = (inner * tangent).div_(sine).div_(2 * pi).div_(scale).addcmul_(outer, share)
    by_covariance.masked_fill_(cosine.abs() >= 1 - EDGE, 0)
    by_scale = sine.div_(2 * pi).addcmul_(share, cosine).mul_(outer)
    by_scale.addcmul_(by_covariance, covariance / scale, value=-1)
    return by_covariance, inner * share, *_by_sides(by_scale, left, right)


def _angles(covariance: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Products of deviations, cosines, sines, and the angles' supplements as shares of a turn, each (places, N, M)."""
    scale = left[..., :, None] * right[..., None, :]
    cosine = (covariance / scale).clamp_(-1 + EDGE, 1 - EDGE)
    sine = (1 - cosine * cosine).sqrt_()
    share = cosine.acos().sub_(pi).div_(-2 * pi)
    return scale, cosine, sine, share


def _erf(covariance: Tensor, tangent: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Of one and twice the variances."""
    scale = left[..., :, None] * right[..., None, :]
    slope = _erf_slope(covariance, scale)
    return (2 * covariance).div_(scale.sqrt_()).asin_().mul_(2 / pi), slope.mul_(tangent)


def _erf_slopes(
    covariance: Tensor, tangent: Tensor, left: Tensor, right: Tensor, outer: Tensor, inner: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """As `_relu_slopes`, of `_erf`."""
    scale = left[..., :, None] * right[..., None, :]
    slope = _erf_slope(covariance, scale)
    by_covariance, by_tangent = outer * slope, inner * slope
    bent = (by_tangent * tangent).mul_(slope).mul_(slope).mul_((pi / 4) ** 2)  # over `_erf_slope`'s root, squared
    by_scale = (by_covariance * covariance).div_(scale).add_(bent).div_(-2)
    by_covariance.addcmul_(bent, covariance, value=4)
    return by_covariance, by_tangent, *_by_sides(by_scale, left, right)


def _erf_slope(covariance: Tensor, scale: Tensor) -> Tensor:
    """The derivative of the covariance behind the layer with respect to the one before it."""
    return (covariance * covariance).mul_(-4).add_(scale).rsqrt_().mul_(4 / pi)


def _by_sides(by_scale: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of the two sides whose products are the scale, (places, N) and (places, M)."""
    return (by_scale @ right[..., None])[..., 0], (left[..., None, :] @ by_scale)[..., 0, :]
