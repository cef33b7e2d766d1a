"""A victim in two parts, the encoder and its head: features, and a linear probe on frozen ones.

The head is the network's last linear layer, and features are what goes into it.
"""

import contextlib
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearn import training
from unlearn.defenses import Job
from unlearn.errors import DataError
from unlearn.streamed import Streamed

ITERATIONS = 200


def head(victim: nn.Module) -> nn.Linear:
    """The last linear layer.

    Raises:
        DataError: a network without one.
    """
    layers = [module for module in victim.modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise DataError(f"{type(victim).__name__} has no linear layer, so that there is no head to probe with")
    return layers[-1]


@contextlib.contextmanager
def recorded_features(victim: nn.Module) -> Iterator[list[Tensor]]:
    """What goes into the head in the network's forward passes, (B, D) each, with gradients."""
    inputs: list[Tensor] = []
    hook = head(victim).register_forward_pre_hook(lambda module, given: inputs.append(given[0]))
    try:
        yield inputs
    finally:
        hook.remove()


@torch.no_grad()
def features(victim: nn.Module, images: Tensor | Streamed) -> Tensor:
    """Float (N, D) for uint8 images (N, C, H, W), in evaluation mode."""
    with recorded_features(victim) as found:
        training.predictions(victim, images)
    return torch.cat(found).float()


def probe(victim: nn.Module, job: Job, decay: float) -> training.Curve:
    """Fit the head to the frozen features of the training set, without augmentation; one point of a curve.

    Softmax regression by L-BFGS on standardized features; `decay` is the weight of half the squared weights.
    """
    known, labels = features(victim, job.data.images), job.data.labels
    mean, spread = known.mean(0), known.std(0).clamp(min=1e-4)
    known = (known - mean) / spread
    layer = head(victim)
    weight = torch.zeros_like(layer.weight, requires_grad=True)
    bias = torch.zeros(len(weight), device=weight.device, requires_grad=True)
    optim = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optim.zero_grad()
        value = F.cross_entropy(known @ weight.T + bias, labels) + decay / 2 * weight.square().sum()
        value.backward()
        return value

    optim.step(loss)
    right = ((known @ weight.T + bias).argmax(1) == labels).float().mean()
    _write(layer, weight.detach() / spread, bias.detach() - (weight.detach() / spread) @ mean)
    return training.Curve((float(right),), (job.test(victim),))


def _write(layer: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    with torch.no_grad():
        layer.weight.copy_(weight)
        if layer.bias is None:
            layer.bias = nn.Parameter(bias)
        layer.bias.copy_(bias)
