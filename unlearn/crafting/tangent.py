"""Neural tangent kernels of infinitely wide networks in closed form, and what such networks predict after training.

Jacot et al., NeurIPS 2018; Arora et al., NeurIPS 2019, for convolutions; Lee et al., NeurIPS 2019, for training with
squared error. Without pooling only covariances between equal places of two images matter, which keeps the
convolutional kernel small. float64 throughout.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import FunctionCtx

from unlearn.crafting.activations import Pairs, erf, relu

WEIGHT, BIAS = 1.76, 0.18  # variances of weights and biases, as in the released code of NTGA
RIDGE = 1e-4  # on the diagonal, in its mean
CONV, STRIDE = 5, 2

Kernel = Callable[[Tensor, Tensor], Tensor]  # images (N, C, H, W) and (M, C, H, W), float64, to (N, M)


def dense(layers: int) -> Kernel:
    """`layers` fully connected layers with the error function, and a linear one."""

    def kernel(left: Tensor, right: Tensor) -> Tensor:
        one, other = left.flatten(1), right.flatten(1)
        pairs = _first(one, other)
        for _ in range(layers):
            pairs = _weighted(erf(pairs))
        return pairs.tangent

    return kernel


def convolutional(left: Tensor, right: Tensor) -> Tensor:
    """Two convolutions of 5x5 with stride 2, two fully connected layers, all with ReLU, and a linear one."""
    one, other = (_patches(images).permute(2, 0, 1) for images in (left, right))
    pairs = relu(_first(one, other))
    pairs = relu(_weighted(_pooled(pairs, left.shape[2:])))
    pairs = Pairs(*(part.mean(0) for part in pairs))
    for _ in range(2):
        pairs = relu(_weighted(pairs))
    return _weighted(pairs).tangent


KERNELS: dict[str, Kernel] = {"dense": dense(5), "convolutional": convolutional}


def held(kernel: str, size: tuple[int, int]) -> int:
    """About how many float64 numbers a kernel and its gradient hold for each pair of images of H x W; as measured."""
    return 70 if kernel == "dense" else 3 * size[0] * size[1]


def _first(left: Tensor, right: Tensor) -> Pairs:
    """The first layer on inputs (..., N, D) and (..., M, D)."""
    size = left.shape[-1]
    covariance = left @ right.mT / size
    variances = [(side**2).mean(-1) for side in (left, right)]
    return _weighted(Pairs(covariance, torch.zeros_like(covariance), variances[0], variances[1]))


def _weighted(pairs: Pairs) -> Pairs:
    """A layer of random weights and biases, whose own gradients add to the tangent kernel."""
    covariance = WEIGHT * pairs.covariance + BIAS
    variances = [WEIGHT * side + BIAS for side in (pairs.left, pairs.right)]
    return Pairs(covariance, covariance + WEIGHT * pairs.tangent, variances[0], variances[1])


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


def _pooled(pairs: Pairs, image: tuple[int, ...]) -> Pairs:
    """Means over the patches of a convolution, of covariances whose first dimension is the place."""
    tall, wide = (-(-size // STRIDE) for size in image)
    every = torch.eye(tall * wide, dtype=pairs.left.dtype, device=pairs.left.device).reshape(-1, 1, tall, wide)
    means = _patches(every).mean(1).T  # (places after, places before)
    return Pairs(*((means @ part.flatten(1)).reshape(-1, *part.shape[1:]) for part in pairs))


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
