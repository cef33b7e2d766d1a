"""The only supervised loop: clean surrogates and victims are trained here.

Images stay on the device as uint8; augmentation is batched there and depends on (seed, epoch, sample id).
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, cos, pi, prod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from unlearn import networks, randomness, registry, streamed
from unlearn.augmentation import standard_augmentation
from unlearn.images import Pixels
from unlearn.mixed_precision import autocast
from unlearn.quantities import LEVELS
from unlearn.randomness import Draws
from unlearn.settings import SGD, Training
from unlearn.streamed import Streamed

PREDICTED = 6_200_000  # values of images that are predicted together: 500 images of 64x64 pixels in three colors
Loss = Callable[[nn.Module, Tensor, Tensor, Draws], Tensor]
Augment = Callable[[Tensor, Tensor, Draws], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Batches:
    """A training set on its device: images uint8 (N, C, H, W), labels int64 (N,), keys int64 (N,).

    Images that are mapped from a file stay there: batches of them come to the device as they are taken.
    """

    images: Tensor | Streamed
    labels: Tensor
    keys: Tensor


def batches(images: Pixels, labels: NDArray[np.int64], keys: NDArray[np.int64], device: torch.device) -> Batches:
    """A training set on a device."""
    return Batches(
        streamed.on_device(images, device), torch.from_numpy(labels).to(device), torch.from_numpy(keys).to(device)
    )


def part(data: Batches, index: Tensor) -> Batches:
    """The samples at these positions (B,), as a training set of its own."""
    return Batches(streamed.chosen(data.images, index), data.labels[index], data.keys[index])


@dataclass(frozen=True)
class Curve:
    """Accuracy by epoch: on the (augmented) training batches, and on the test set."""

    train: tuple[float, ...]
    test: tuple[float, ...]


def build(name: str, classes: int, shape: tuple[int, ...], seed: int) -> nn.Module:
    """A network by name with weights from this seed, for images of shape (C, H, W); channels_last.

    Raises:
        UnknownName: no such network.
    """
    registry.require("network", name, registry.networks())
    with randomness.seeded(seed):
        network: nn.Module = getattr(networks, name)(classes, shape[0], min(shape[1:]))
        network.eval()
        with torch.no_grad():
            network(torch.zeros(1, *shape))  # lazy layers take their size here
    return network.to(memory_format=torch.channels_last)


def optimizer(network: nn.Module, sgd: SGD, precision: torch.dtype = torch.float32) -> torch.optim.SGD:
    """torch's SGD with these settings; fused, which rounds otherwise, where a step is in mixed precision anyway."""
    fused = precision != torch.float32
    return torch.optim.SGD(network.parameters(), sgd.lr, sgd.momentum, weight_decay=sgd.weight_decay, fused=fused)


def _optimizer(network: nn.Module, training: Training) -> torch.optim.SGD:
    """The optimizer of the supervised loop; groups of parameters learn at `factor` times its rate."""
    sgd, factor = training.sgd, training.bias_rate
    if factor == 1 and not training.nesterov:
        return optimizer(network, sgd)
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    biases = {norm.bias: None for norm in norms if norm.bias is not None}
    others = [weight for weight in network.parameters() if weight not in biases]
    fast: dict[str, Any] = {"params": [*biases], "factor": factor, "weight_decay": sgd.weight_decay / factor}
    groups = [group for group in ({"params": others}, fast) if group["params"]]
    return torch.optim.SGD(groups, sgd.lr, sgd.momentum, weight_decay=sgd.weight_decay, nesterov=training.nesterov)


def update(network: nn.Module, optim: torch.optim.SGD, loss: Tensor, clip: float) -> None:
    """One step of the optimizer on this loss."""
    optim.zero_grad(set_to_none=True)
    loss.backward()
    if clip:
        nn.utils.clip_grad_norm_(network.parameters(), clip, foreach=True)
    optim.step()


def to_float(pixels: Tensor) -> Tensor:
    """uint8 (B, C, H, W) to float32 in [0, 1], channels_last."""
    return (pixels.float() / LEVELS).contiguous(memory_format=torch.channels_last)


def cross_entropy(network: nn.Module, images: Tensor, labels: Tensor, draws: Draws) -> Tensor:
    """Mean cross-entropy; labels are classes (B,) or probabilities (B, K)."""
    return F.cross_entropy(network(images), labels)


def learning_rate(training: Training, step: int, total: int) -> float:
    """The learning rate of a step: cosine to zero (Loshchilov and Hutter, ICLR 2017), constant, or triangular."""
    if training.schedule == "constant":
        return training.sgd.lr
    if training.schedule == "triangular":
        return training.sgd.lr * _triangle(step / total)
    return training.sgd.lr * 0.5 * (1 + cos(pi * step / total))


def _triangle(done: float, start: float = 0.2, peak: float = 0.23, end: float = 0.07) -> float:
    """Rises from `start` to 1 at `peak` of the steps, then falls to `end`; airbench94's (Jordan, arXiv 2404.00498)."""
    return start + (1 - start) * done / peak if done < peak else 1 - (1 - end) * (done - peak) / (1 - peak)


def train(
    network: nn.Module,
    data: Batches,
    training: Training,
    seed: int,
    *,
    augment: Augment = lambda images, labels, draws: (images, labels),
    loss: Loss = cross_entropy,
    test: Callable[[nn.Module], float] | None = None,
    after_epoch: Callable[[int], None] = lambda epoch: None,
    precision: torch.dtype = torch.float32,
) -> Curve:
    """Train in place and return the accuracies by epoch.

    Args:
        augment: a defense's change to a batch of float images and labels, after crop and flip.
        loss: a defense's loss of (network, images, labels, draws).
        test: accuracy of the network on the test set, called after every epoch.
        precision: bfloat16 runs the forward pass in mixed precision.
    """
    optim = _optimizer(network, training)
    steps = ceil(len(data.labels) / training.batch_size)
    history: list[tuple[float, float]] = []
    for epoch in range(training.epochs):
        hits = torch.zeros((), device=data.labels.device)
        for number, index in enumerate(epoch_batches(data.keys, training.batch_size, seed, epoch)):
            rate = learning_rate(training, epoch * steps + number, training.epochs * steps)
            for group in optim.param_groups:
                group["lr"] = rate * group.get("factor", 1.0)
            draws = Draws(seed, epoch, data.keys[index])
            images = standard_augmentation(to_float(data.images[index]), draws, training)
            images, labels = augment(images, data.labels[index], draws)
            network.train()
            with autocast(images.device, precision), recorded_logits(network, training.label_smoothing > 0) as logits:
                value = smoothed(loss(network, images, labels, draws), logits, training.label_smoothing)
            update(network, optim, value, training.sgd.clip)
            hits += (logits[-1].argmax(1) == _hard(labels)).sum()
        history.append((float(hits) / len(data.labels), test(network) if test else float("nan")))
        after_epoch(epoch)
    return Curve(*map(tuple, zip(*history, strict=True)))


@contextlib.contextmanager
def recorded_logits(network: nn.Module, attached: bool = False) -> Iterator[list[Tensor]]:
    """The outputs of the network's forward passes, so that accuracy costs no second pass.

    Args:
        attached: keep the last output alone, with its gradient.
    """
    outputs: list[Tensor] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        outputs[:] = [output] if attached else [*outputs, output.detach()]

    hook = network.register_forward_hook(record)
    try:
        yield outputs
    finally:
        hook.remove()


def smoothed(loss: Tensor, logits: list[Tensor], share: float) -> Tensor:
    """A mean cross-entropy with this share of every label spread over all classes; the loss itself for 0.

    Szegedy et al., CVPR 2016. The last logits (B, K) are those of the batch, so that it fits any defense's loss.
    """
    if not share:
        return loss
    return (1 - share) * loss - share * F.log_softmax(logits[-1].float(), 1).mean()


def _hard(labels: Tensor) -> Tensor:
    return labels if labels.ndim == 1 else labels.argmax(1)


def epoch_batches(keys: Tensor, batch_size: int, seed: int, epoch: int) -> tuple[Tensor, ...]:
    """Positions by batch, in this epoch's order; a last batch of one sample is joined to its neighbor.

    Batch normalization cannot train on a single sample of 1x1 features.
    """
    order = randomness.permutation(seed, "order", epoch, keys)
    batches = order.split(batch_size)
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches = (*batches[:-2], torch.cat(batches[-2:]))
    return tuple(batches)


@torch.no_grad()
def predictions(
    network: nn.Module, images: Tensor | Streamed, batch_size: int | None = None, mirror: bool = False
) -> Tensor:
    """Predicted classes (N,) for uint8 images (N, C, H, W), in evaluation mode; see `Training.mirror_test`."""
    network.eval()
    size = batch_size or max(8, min(500, PREDICTED // prod(images.shape[1:])))
    logits = lambda part: network(part) + network(part.flip(3)) if mirror else network(part)  # noqa: E731
    return torch.cat([logits(to_float(part)).argmax(1) for part in images.split(size)])


def accuracy(network: nn.Module, images: Tensor | Streamed, labels: Tensor, mirror: bool = False) -> float:
    """Share of correct predictions on uint8 images."""
    return float((predictions(network, images, mirror=mirror) == labels).float().mean())


WHITENED = 5000


def whiten(network: nn.Module, data: Batches, seed: int) -> None:
    """Fit the whitening layers of a network, where it has any, to WHITENED random images that it will train on."""
    for module in network.modules():
        if isinstance(module, networks.Whitening):
            chosen = randomness.permutation(seed, "whitening", 0, data.keys)[:WHITENED]
            module.fit(to_float(data.images[chosen]))
