"""Losses averaged over Gaussian noise on the surrogate's weights. Wang et al., NDSS 2025: parametric smoothing.

The noise depends on the step alone, so that all processes and tasks of a step see the same weights. Gradients are added
up pass by pass, and the losses returned here are numbers with the right gradient and no other meaning: otherwise the
graphs of all passes would have to be held at once.
"""

import copy
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from unlearn import randomness, training
from unlearn.crafting.alternate import NoiseLoss, Seen
from unlearn.randomness import Draws

Weights = dict[str, Tensor]


def gaussian(like: Tensor, draws: Draws, stream: str, number: int) -> Tensor:
    """Standard normal numbers of a tensor's shape by Box and Muller's transform; `number` tells tensors apart."""
    key = torch.tensor([number], device=like.device)
    first, second = randomness.uniform(draws.seed, stream, draws.epoch, key, (2, like.numel()))[0]
    return ((-2 * (1 - first).log()).sqrt() * (2 * torch.pi * second).cos()).reshape(like.shape)


def shaken(network: nn.Module, draws: Draws, deviation: float, stream: str = "weights") -> Weights:
    """All parameters plus Gaussian noise of this standard deviation, in units of the weights whatever their size."""
    named = enumerate(network.named_parameters())
    return {name: weight + deviation * gaussian(weight, draws, stream, number) for number, (name, weight) in named}


def smoothed(
    network: nn.Module, draws: Draws, deviations: Sequence[float], samples: int
) -> Iterator[tuple[Weights, float]]:
    """Weights and their shares in the average: every deviation counts alike, and without noise one pass is enough."""
    for level, deviation in enumerate(deviations):
        repeats = samples if deviation else 1
        for sample in range(repeats):
            weights = shaken(network, draws, deviation, f"weights-{level}-{sample}")
            yield weights, 1 / (repeats * len(deviations))


def noise_loss(deviations: Sequence[float], samples: int) -> NoiseLoss:
    """For a noise step: the summed cross-entropy, averaged over weights."""

    def loss(surrogate: nn.Module, seen: Seen) -> Tensor:
        mine = copy.deepcopy(surrogate)  # a call with other weights changes the module, which threads share
        images = seen.images.detach().requires_grad_()
        gradient = torch.zeros_like(images)
        for weights, share in smoothed(mine, seen.draws, deviations, samples):
            value = F.cross_entropy(functional_call(mine, weights, (images,)), seen.labels, reduction="sum")
            gradient += share * torch.autograd.grad(value, images)[0]
        return (seen.images * gradient).sum()

    return loss


def surrogate_loss(deviations: Sequence[float], samples: int) -> training.Loss:
    """For the surrogate's step: the mean cross-entropy, averaged over weights."""

    def loss(network: nn.Module, images: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        held = list(network.parameters())
        gradients = [torch.zeros_like(weight) for weight in held]
        for weights, share in smoothed(network, draws, deviations, samples):
            value = share * F.cross_entropy(functional_call(network, weights, (images,)), labels)
            for total, part in zip(gradients, torch.autograd.grad(value, held), strict=True):
                total += part
        return torch.stack([(weight * part).sum() for weight, part in zip(held, gradients, strict=True)]).sum()

    return loss


def still(network: nn.Module, precision: torch.dtype = torch.float32) -> nn.Module:
    """A frozen copy in evaluation mode; folded weights would take the noise in other units, bfloat16 would round it."""
    return copy.deepcopy(network).eval().requires_grad_(False)
