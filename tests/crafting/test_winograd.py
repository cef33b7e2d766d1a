"""Minimal filtering: the plain convolution's values and gradients up to rounding, and only where it stands for one."""

import pytest
import torch
from torch import Tensor, nn

from unlearn import mixed_precision, training
from unlearn.crafting.folding import folded
from unlearn.crafting.winograd import Winograd, replace

WIDE = 128


def conv(inside: int = WIDE, outside: int = WIDE, **settings: object) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(inside, outside, **{"kernel_size": 3, "padding": 1, **settings}).requires_grad_(False)  # type: ignore[arg-type]


def values(module: nn.Module, images: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The outputs, and the gradient of their weighted sum for the images."""
    held = images.clone().requires_grad_()
    found = module(held)
    return found.detach(), torch.autograd.grad((found * weights).sum(), held)[0]


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (7, 9), (14, 16)])
@pytest.mark.parametrize("channels", [(128, 128), (256, 192)])
@pytest.mark.parametrize("bias", [True, False])
def test_outputs_and_gradients_are_those_of_the_convolution(
    size: tuple[int, int], channels: tuple[int, int], bias: bool
) -> None:
    plain = conv(*channels, bias=bias)
    images, weights = torch.randn(70, channels[0], *size), torch.randn(70, channels[1], *size)
    exact = values(conv(*channels, bias=bias).double(), images.double(), weights.double())
    for found, expected in zip(values(Winograd(plain), images, weights), exact, strict=True):
        assert found.shape == expected.shape
        assert (found - expected).norm() <= 1e-5 * expected.norm()


def test_its_gradient_has_a_gradient() -> None:
    images = torch.randn(2, WIDE, 5, 5, requires_grad=True)
    found = []
    for module in (conv(), Winograd(conv())):
        (gradient,) = torch.autograd.grad(module(images).pow(3).sum(), images, create_graph=True)
        found.append(torch.autograd.grad(gradient.pow(2).sum(), images)[0])
    assert (found[0] - found[1]).norm() <= 1e-4 * found[0].norm()


@pytest.mark.parametrize("size", [(8, 8), (7, 8)])
def test_what_follows_may_work_in_place(size: tuple[int, int]) -> None:
    images, weights = torch.randn(1, WIDE, *size), torch.randn(1, WIDE, *size)
    plain, quick = (values(nn.Sequential(it, nn.ReLU(True)), images, weights) for it in (conv(), Winograd(conv())))
    for found, expected in zip(quick, plain, strict=True):
        assert (found - expected).norm() <= 1e-3 * expected.norm()


def test_mixed_precision_runs_the_convolution_itself() -> None:
    images = torch.randn(3, WIDE, 8, 8)
    with mixed_precision.autocast(torch.device("cpu"), torch.bfloat16):
        assert torch.equal(Winograd(conv())(images), conv()(images))


@pytest.mark.parametrize(
    "other",
    [
        conv(48),
        conv(outside=48),
        conv(stride=2),
        conv(padding=0),
        conv(padding="same"),
        conv(kernel_size=1, padding=0),
        conv(dilation=2),
        conv(groups=2),
        conv(padding_mode="circular"),
    ],
)
def test_other_convolutions_stay(other: nn.Conv2d) -> None:
    network = nn.Sequential(other, nn.ReLU(), conv())
    replace(network)
    assert network[0] is other
    assert isinstance(network[2], Winograd)


def wide(network: nn.Module) -> int:
    return sum(isinstance(module, Winograd) for module in network.modules())


def test_frozen_surrogates_have_it_in_float32_only() -> None:
    network = training.build("resnet18", 10, (3, 32, 32), 0)
    assert (wide(folded(network)), wide(folded(network, torch.bfloat16)), wide(network)) == (13, 0, 0)
    assert wide(folded(training.build("small_cnn", 10, (3, 32, 32), 0))) == 1


def test_noise_steps_go_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of gradients differ in one of a thousand pixels at most; the plain sum's rounding turns as many."""
    network = training.build("resnet18", 10, (3, 32, 32), 0)
    images, labels = torch.rand(20, 3, 32, 32), torch.arange(20) % 10
    found = []
    for frozen in (folded(network), plainly(network, monkeypatch)):
        held = images.clone().requires_grad_()
        loss = nn.functional.cross_entropy(frozen(held), labels, reduction="sum")
        found.append(torch.autograd.grad(loss, held)[0])
    assert (found[0].sign() != found[1].sign()).float().mean() < 1e-3


def plainly(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    monkeypatch.setattr("unlearn.crafting.winograd.WIDE", 10_000)
    frozen = folded(network)
    assert wide(frozen) == 0
    return frozen
