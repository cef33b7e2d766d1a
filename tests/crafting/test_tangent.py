"""Tangent kernels: equal to those of wide networks, and the prediction to one of gradient descent."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from unlearn.crafting import activations, tangent
from unlearn.crafting.activations import Pairs
from unlearn.crafting.tangent import BIAS, WEIGHT


class Scaled(nn.Module):
    """A layer with standard normal parameters, scaled as infinitely wide networks need it."""

    def __init__(self, layer: nn.Linear | nn.Conv2d):
        super().__init__()
        self.layer = layer
        self.fan = layer.weight[0].numel()
        for parameter in layer.parameters():
            nn.init.normal_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        bias = self.layer.bias * BIAS**0.5
        weight = self.layer.weight * (WEIGHT / self.fan) ** 0.5
        if isinstance(self.layer, nn.Linear):
            return nn.functional.linear(x, weight, bias)
        return nn.functional.conv2d(tangent._padded(x), weight, bias, stride=tangent.STRIDE)


class Erf(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.erf(x)


def wide_dense(inputs: int, width: int) -> nn.Module:
    sizes = [inputs, *[width] * 5]
    layers = [part for a, b in pairwise(sizes) for part in (Scaled(nn.Linear(a, b)), Erf())]
    return nn.Sequential(nn.Flatten(), *layers, Scaled(nn.Linear(width, 1)))


def wide_convolutional(channels: int, size: int, width: int) -> nn.Module:
    places = (size // 4) ** 2
    return nn.Sequential(
        *(Scaled(nn.Conv2d(channels, width, 5)), nn.ReLU(), Scaled(nn.Conv2d(width, width, 5)), nn.ReLU()),
        *(nn.Flatten(), Scaled(nn.Linear(width * places, width)), nn.ReLU()),
        *(Scaled(nn.Linear(width, width)), nn.ReLU(), Scaled(nn.Linear(width, 1))),
    )


def measured(network: nn.Module, images: Tensor) -> Tensor:
    """Products of the gradients of a finite network's output."""
    rows = []
    for image in images:
        gradients = torch.autograd.grad(network(image[None]).sum(), list(network.parameters()))
        rows.append(torch.cat([gradient.flatten() for gradient in gradients]))
    jacobian = torch.stack(rows)
    return jacobian @ jacobian.T


IMAGES = torch.rand(5, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    ("name", "network"),
    [("dense", lambda: wide_dense(192, 150)), ("convolutional", lambda: wide_convolutional(3, 8, 100))],
)
def test_kernels_are_those_of_wide_networks(name: str, network: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    try:
        found = torch.stack([measured(network(), IMAGES) for _ in range(24)]).mean(0)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.allclose(found, tangent.KERNELS[name](IMAGES, IMAGES), rtol=0.1)


def test_two_sets_are_a_part_of_one() -> None:
    for kernel in tangent.KERNELS.values():
        assert torch.allclose(kernel(IMAGES[:2], IMAGES[2:]), kernel(IMAGES, IMAGES)[:2, 2:])


def test_prediction_is_that_of_gradient_descent() -> None:
    kernel = tangent.KERNELS["dense"](IMAGES, IMAGES)
    targets = torch.eye(5, dtype=torch.float64)[:, :3]
    ridge = kernel + tangent.RIDGE * kernel.diagonal().mean() * torch.eye(5, dtype=torch.float64)
    outputs, steps, time = torch.zeros_like(targets), 20000, 30.0
    for _ in range(steps):
        outputs = outputs - time / steps * ridge @ (outputs - targets) / targets.numel()
    assert torch.allclose(ridge @ tangent.coefficients(kernel, targets, time), outputs, atol=1e-3)


def test_gradients() -> None:
    targets = torch.eye(5, dtype=torch.float64)[:, :3]

    def logits(images: Tensor) -> Tensor:
        kernel = tangent.KERNELS["convolutional"]
        return kernel(IMAGES[:2] * 0.5, images) @ tangent.coefficients(kernel(images, images), targets, 64.0)

    images = IMAGES.clone()
    images[1] = images[0] + 1e-3 * IMAGES[2]  # two eigenvalues that are close to nothing
    images.requires_grad_()
    (gradient,) = torch.autograd.grad(logits(images)[0, 0], images)
    way = torch.randn(images.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        rise = (logits(images + 1e-6 * way) - logits(images - 1e-6 * way))[0, 0] / 2e-6
    assert torch.isclose((gradient * way).sum(), rise, rtol=1e-3)


@pytest.mark.parametrize("activation", [activations.relu, activations.erf])
@pytest.mark.parametrize("places", [5, None])
def test_gradients_of_activations_by_parts(
    activation: Callable[[Pairs], Pairs], places: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against differences, for all pairs together and for few."""
    generator = torch.Generator().manual_seed(2)
    shape = (places, 4) if places else (4,)
    points = torch.randn(*shape, 6, generator=generator, dtype=torch.float64)
    tangents = torch.randn(*shape, 4, generator=generator, dtype=torch.float64)

    def layer(moved: Tensor) -> tuple[Tensor, ...]:
        variances = moved.square().sum(-1), points.square().sum(-1)
        return tuple(activation(Pairs(moved @ points.mT, moved.sum() * tangents, *variances)))

    moved = (points * 0.7 + 0.1 * points.flip(-1)).requires_grad_()
    wanted = [each.clone() for each in layer(moved)]
    assert torch.autograd.gradcheck(layer, moved)
    monkeypatch.setattr(activations, "PART", 10)
    assert all(torch.equal(one, other) for one, other in zip(layer(moved), wanted, strict=True))
    assert torch.autograd.gradcheck(layer, moved)


def test_relu_of_equal_images_has_a_finite_gradient() -> None:
    points = torch.randn(4, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    same = points.clone().requires_grad_()
    variances = same.square().sum(-1), points.square().sum(-1)
    found = activations.relu(Pairs(same @ points.T, same @ points.T, *variances))
    (gradient,) = torch.autograd.grad(found.covariance.sum() + found.tangent.sum(), same)
    assert bool(gradient.isfinite().all())
