"""The only supervised loop: clean surrogates and victims are trained here.

Images stay on the device as uint8; augmentation is batched there and depends on (seed, epoch, sample id).
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, cos, pi, prod

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from unlearn import networks, placing, randomness, registry
from unlearn.images import Pixels
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
    return Batches(on_device(images, device), torch.from_numpy(labels).to(device), torch.from_numpy(keys).to(device))


def part(data: Batches, index: Tensor) -> Batches:
    """The samples at these positions (B,), as a training set of its own."""
    if isinstance(data.images, Streamed):
        images: Tensor | Streamed = Streamed(_chosen(data.images.host, index), data.images.device)
    else:
        images = _chosen(data.images, index)
    return Batches(images, data.labels[index], data.keys[index])


def _chosen(images: Tensor, index: Tensor) -> Tensor:
    index = index.to(images.device)
    if images.device.type != "cpu":
        return images[index]
    out = placing.tensor((len(index), *images.shape[1:]), images.dtype)
    for block in placing.blocks(out):
        out[block] = images[index[block]]
    return out


def on_device(images: Pixels, device: torch.device) -> Tensor | Streamed:
    """Images on a device, or where they are mapped."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # nobody writes into images
        found = torch.from_numpy(images)
    if isinstance(images, np.memmap) and device.type != "cpu":
        return Streamed(found, device)
    return found.to(device)


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
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: nn.Module = getattr(networks, name)(classes, shape[0], min(shape[1:]))
        network.eval()
        with torch.no_grad():
            network(torch.zeros(1, *shape))  # lazy layers take their size here
    return network.to(memory_format=torch.channels_last)


def optimizer(network: nn.Module, sgd: SGD, precision: torch.dtype = torch.float32) -> torch.optim.SGD:
    """torch's SGD with these settings; fused, which rounds otherwise, where a step is in mixed precision anyway."""
    fused = precision != torch.float32
    return torch.optim.SGD(network.parameters(), sgd.lr, sgd.momentum, weight_decay=sgd.weight_decay, fused=fused)


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
    """The learning rate of a step: cosine to zero (Loshchilov and Hutter, ICLR 2017), or constant."""
    if training.schedule == "constant":
        return training.sgd.lr
    return training.sgd.lr * 0.5 * (1 + cos(pi * step / total))


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
    optim = optimizer(network, training.sgd)
    steps = ceil(len(data.labels) / training.batch_size)
    history: list[tuple[float, float]] = []
    for epoch in range(training.epochs):
        hits = torch.zeros((), device=data.labels.device)
        for number, index in enumerate(epoch_batches(data.keys, training.batch_size, seed, epoch)):
            optim.param_groups[0]["lr"] = learning_rate(training, epoch * steps + number, training.epochs * steps)
            draws = Draws(seed, epoch, data.keys[index])
            images = standard_augmentation(to_float(data.images[index]), draws, training)
            images, labels = augment(images, data.labels[index], draws)
            network.train()
            with autocast(images.device, precision), recorded_logits(network) as logits:
                value = loss(network, images, labels, draws)
            update(network, optim, value, training.sgd.clip)
            hits += (logits[-1].argmax(1) == _hard(labels)).sum()
        history.append((float(hits) / len(data.labels), test(network) if test else float("nan")))
        after_epoch(epoch)
    return Curve(*map(tuple, zip(*history, strict=True)))


@contextlib.contextmanager
def recorded_logits(network: nn.Module) -> Iterator[list[Tensor]]:
    """The outputs of the network's forward passes, so that accuracy costs no second pass."""
    outputs: list[Tensor] = []
    hook = network.register_forward_hook(lambda module, inputs, output: outputs.append(output.detach()))
    try:
        yield outputs
    finally:
        hook.remove()


def _hard(labels: Tensor) -> Tensor:
    return labels if labels.ndim == 1 else labels.argmax(1)


def autocast(device: torch.device, precision: torch.dtype) -> contextlib.AbstractContextManager[object]:
    """Mixed precision, or nothing for float32."""
    if precision == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(device.type, precision)


def epoch_batches(keys: Tensor, batch_size: int, seed: int, epoch: int) -> tuple[Tensor, ...]:
    """Positions by batch, in this epoch's order; a last batch of one sample is joined to its neighbor.

    Batch normalization cannot train on a single sample of 1x1 features.
    """
    order = randomness.permutation(seed, "order", epoch, keys)
    batches = order.split(batch_size)
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches = (*batches[:-2], torch.cat(batches[-2:]))
    return tuple(batches)


def standard_augmentation(images: Tensor, draws: Draws, training: Training) -> Tensor:
    """Random crop with zero padding and horizontal flip, as the settings say."""
    if "crop" in training.augment and training.crop_padding:
        images = random_crop(images, draws, training.crop_padding)
    if "flip" in training.augment:
        flips = draws.uniform("flip") < 0.5
        images = torch.where(flips[:, None, None, None], images.flip(3), images)
    return images


def random_crop(images: Tensor, draws: Draws, padding: int) -> Tensor:
    """Pad with zeros and cut out the old size at a random place, for the whole batch at once."""
    padded = F.pad(images, (padding,) * 4).permute(0, 2, 3, 1)
    top, left = (
        draws.integers(f"crop-{side}", 2 * padding + 1)[:, None] + torch.arange(size, device=images.device)
        for side, size in (("top", images.shape[2]), ("left", images.shape[3]))
    )
    batch = torch.arange(len(images), device=images.device)[:, None, None]
    return padded[batch, top[:, :, None], left[:, None, :]].permute(0, 3, 1, 2)


@torch.no_grad()
def predictions(network: nn.Module, images: Tensor | Streamed, batch_size: int | None = None) -> Tensor:
    """Predicted classes (N,) for uint8 images (N, C, H, W), in evaluation mode."""
    network.eval()
    size = batch_size or max(8, min(500, PREDICTED // prod(images.shape[1:])))
    return torch.cat([network(to_float(part)).argmax(1) for part in images.split(size)])


def accuracy(network: nn.Module, images: Tensor | Streamed, labels: Tensor) -> float:
    """Share of correct predictions on uint8 images."""
    return float((predictions(network, images) == labels).float().mean())
