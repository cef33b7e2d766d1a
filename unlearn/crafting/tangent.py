"""Neural tangent kernels of infinitely wide networks in closed form, and what such networks predict after training.

Jacot et al., NeurIPS 2018; Arora et al., NeurIPS 2019, for convolutions; Lee et al., NeurIPS 2019, for training with
squared error. Without pooling only covariances between equal places of two images matter, which keeps the
convolutional kernel small. float64 throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx

WEIGHT, BIAS = 1.76, 0.18  # variances of weights and biases, as in the released code of NTGA
EDGE = 1e-12  # of a cosine from 1, where the kernel of ReLU has no finite slope
RIDGE = 1e-4  # on the diagonal, in its mean
CONV, STRIDE = 5, 2
PART = 2**15  # pairs whose angles are computed together: they stay in a core's cache

Kernel = Callable[[Tensor, Tensor], Tensor]  # images (N, C, H, W) and (M, C, H, W), float64, to (N, M)


@dataclass(frozen=True)
class _Pairs:
    """Covariances of units and the tangent kernel so far, both (..., N, M), and variances (..., N) and (..., M)."""

    covariance: Tensor
    tangent: Tensor
    left: Tensor
    right: Tensor


def dense(layers: int) -> Kernel:
    """`layers` fully connected layers with the error function, and a linear one."""

    def kernel(left: Tensor, right: Tensor) -> Tensor:
        one, other = left.flatten(1), right.flatten(1)
        pairs = _first(one, other)
        for _ in range(layers):
            pairs = _weighted(_erf(pairs))
        return pairs.tangent

    return kernel


def convolutional(left: Tensor, right: Tensor) -> Tensor:
    """Two convolutions of 5x5 with stride 2, two fully connected layers, all with ReLU, and a linear one."""
    one, other = (_patches(images).permute(2, 0, 1) for images in (left, right))
    pairs = _relu(_first(one, other))
    pairs = _relu(_weighted(_pooled(pairs, left.shape[2:])))
    pairs = _Pairs(*(part.mean(0) for part in (pairs.covariance, pairs.tangent, pairs.left, pairs.right)))
    for _ in range(2):
        pairs = _relu(_weighted(pairs))
    return _weighted(pairs).tangent


KERNELS: dict[str, Kernel] = {"dense": dense(5), "convolutional": convolutional}


def _first(left: Tensor, right: Tensor) -> _Pairs:
    """The first layer on inputs (..., N, D) and (..., M, D)."""
    size = left.shape[-1]
    covariance = left @ right.mT / size
    variances = [(side**2).mean(-1) for side in (left, right)]
    return _weighted(_Pairs(covariance, torch.zeros_like(covariance), variances[0], variances[1]))


def _weighted(pairs: _Pairs) -> _Pairs:
    """A layer of random weights and biases, whose own gradients add to the tangent kernel."""
    covariance = WEIGHT * pairs.covariance + BIAS
    variances = [WEIGHT * side + BIAS for side in (pairs.left, pairs.right)]
    return _Pairs(covariance, covariance + WEIGHT * pairs.tangent, variances[0], variances[1])


def _relu(pairs: _Pairs) -> _Pairs:
    """Cho and Saul, NeurIPS 2009: arc-cosine kernels of degree 1 and 0."""
    shape, sides = pairs.covariance.shape, (pairs.left.sqrt(), pairs.right.sqrt())
    inputs = (pairs.covariance, pairs.tangent, *sides)
    outputs = _Relu.apply(*(each if len(shape) == 3 else each[None] for each in inputs))
    covariance, tangent = (each.reshape(shape) for each in outputs)
    return _Pairs(covariance, tangent, pairs.left / 2, pairs.right / 2)


class _Relu(torch.autograd.Function):
    """Of (places, N, M) and standard deviations (places, N) and (places, M), some places at a time.

    What it holds on the way is a dozen times its inputs: too much for a core's cache at once, and for memory. With the
    angle a, whose cosine is c, the derivative of sin(a) + (pi - a) c with respect to c is pi - a.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Covariance and tangent kernel behind the layer."""
        ctx.save_for_backward(*inputs)
        covariances, tangents = (torch.empty_like(each) for each in inputs[:2])
        for part in _parts(inputs[0]):
            covariance, tangent, left, right = (each[part] for each in inputs)
            scale, cosine, sine, share = _angles(covariance, left, right)
            torch.mul(scale, sine.div_(2 * pi).addcmul_(share, cosine), out=covariances[part])
            torch.mul(tangent, share, out=tangents[part])
        return covariances, tangents

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor, ...]:
        """Part after part; what was held on the way is computed anew."""
        inputs = ctx.saved_tensors  # type: ignore[attr-defined]
        found = tuple(torch.empty_like(each) for each in inputs)
        for part in _parts(inputs[0]):
            slopes = _relu_slopes(*(each[part] for each in (*inputs, *gradients)))
            for whole, piece in zip(found, slopes, strict=True):
                whole[part] = piece
        return found


def _relu_slopes(
    covariance: Tensor, tangent: Tensor, left: Tensor, right: Tensor, outer: Tensor, inner: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of `_Relu`'s inputs, given those of its covariance (`outer`) and its tangent kernel (`inner`)."""
    scale, cosine, sine, share = _angles(covariance, left, right)
    by_covariance = (inner * tangent).div_(sine).div_(2 * pi).div_(scale).addcmul_(outer, share)
    by_covariance.masked_fill_(cosine.abs() >= 1 - EDGE, 0)
    by_scale = sine.div_(2 * pi).addcmul_(share, cosine).mul_(outer)
    by_scale.addcmul_(by_covariance, covariance / scale, value=-1)
    by_left, by_right = (by_scale @ right[..., None])[..., 0], (left[..., None, :] @ by_scale)[..., 0, :]
    return by_covariance, inner * share, by_left, by_right


def _angles(covariance: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Products of deviations, cosines, sines, and the angles' supplements as shares of a turn, each (places, N, M)."""
    scale = left[..., :, None] * right[..., None, :]
    cosine = (covariance / scale).clamp_(-1 + EDGE, 1 - EDGE)
    sine = (1 - cosine * cosine).sqrt_()
    share = cosine.acos().sub_(pi).div_(-2 * pi)
    return scale, cosine, sine, share


def _parts(covariance: Tensor) -> list[slice]:
    """Of the places in (places, N, M)."""
    step = max(1, PART // covariance[0].numel())
    return [slice(start, start + step) for start in range(0, len(covariance), step)]


def _erf(pairs: _Pairs) -> _Pairs:
    """Williams, NeurIPS 1996."""
    scale = (1 + 2 * pairs.left[..., :, None]) * (1 + 2 * pairs.right[..., None, :])
    covariance = (2 * pairs.covariance / scale.sqrt()).asin() * 2 / pi
    slope = 4 / pi / (scale - 4 * pairs.covariance**2).sqrt()
    variances = [(2 * side / (1 + 2 * side)).asin() * 2 / pi for side in (pairs.left, pairs.right)]
    return _Pairs(covariance, pairs.tangent * slope, variances[0], variances[1])


def _padded(images: Tensor) -> Tensor:
    """Zeros around images (N, C, H, W), so that a strided convolution gives half of each side, rounded up."""
    sides = []
    for size in (images.shape[3], images.shape[2]):
        missing = max(0, (-(-size // STRIDE) - 1) * STRIDE + CONV - size)
        sides += [missing // 2, missing - missing // 2]
    return F.pad(images, sides)


def _patches(images: Tensor) -> Tensor:
    """(N, C*25, places)."""
    return F.unfold(_padded(images), CONV, stride=STRIDE)


def _pooled(pairs: _Pairs, image: tuple[int, ...]) -> _Pairs:
    """Means over the patches of a convolution, of covariances whose first dimension is the place."""
    tall, wide = (-(-size // STRIDE) for size in image)
    every = torch.eye(tall * wide, dtype=pairs.left.dtype, device=pairs.left.device).reshape(-1, 1, tall, wide)
    means = _patches(every).mean(1).T  # (places after, places before)
    parts = (pairs.covariance, pairs.tangent, pairs.left, pairs.right)
    return _Pairs(*((means @ part.flatten(1)).reshape(-1, *part.shape[1:]) for part in parts))


class _Trained(torch.autograd.Function):
    """K to (1 - exp(-time K)) / K for a positive definite K, with a gradient that close eigenvalues do not spoil."""

    @staticmethod
    def forward(ctx: FunctionCtx, kernel: Tensor, time: float) -> Tensor:
        """Through the eigenvalues."""
        values, vectors = torch.linalg.eigh(kernel)
        values = values.clamp(min=torch.finfo(values.dtype).tiny)
        gains = -torch.expm1(-time * values) / values
        ctx.save_for_backward(values, vectors, gains)
        ctx.time = time  # type: ignore[attr-defined]
        return (vectors * gains) @ vectors.mT

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None]:
        """Divided differences (Daleckii and Krein), or the derivative where two eigenvalues are close."""
        values, vectors, gains = ctx.saved_tensors  # type: ignore[attr-defined]
        slopes = (ctx.time * torch.exp(-ctx.time * values) - gains) / values  # type: ignore[attr-defined]
        apart = values[:, None] - values
        close = apart.abs() <= 1e-8 * values[-1]
        quotients = (gains[:, None] - gains) / apart.masked_fill(close, 1.0)
        quotients = torch.where(close, (slopes[:, None] + slopes) / 2, quotients)
        inside = vectors.mT @ ((gradients[0] + gradients[0].mT) / 2) @ vectors
        return vectors @ (quotients * inside) @ vectors.mT, None


def coefficients(kernel: Tensor, targets: Tensor, time: float) -> Tensor:
    """What a new image's kernel with the training images is multiplied with to predict its logits, (N, classes).

    Args:
        kernel: (N, N) of the training images.
        targets: (N, classes).
        time: of gradient descent on half the mean squared error over samples and classes.
    """
    ridge = RIDGE * kernel.diagonal().mean() * torch.eye(len(kernel), dtype=kernel.dtype, device=kernel.device)
    filtered: Tensor = _Trained.apply(kernel + ridge, time / targets.numel())
    return filtered @ targets
