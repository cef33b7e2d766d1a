"""Frozen networks: the states that one training run on clean images went through, or its last one.

They are kept in memory, and once in the checkpoint folder, so that a run goes on with the same networks.
"""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unlearn import files, mixed_precision, training
from unlearn.crafting.folding import folded
from unlearn.crafting.pretrain import train_surrogate
from unlearn.crafting.problem import Problem
from unlearn.errors import DataError, OutputError
from unlearn.settings import Training

FILE = "frozen.safetensors"
Train = Callable[[nn.Module, Callable[[int], None]], None]


def snapshots(problem: Problem, settings: Training, count: int) -> list[nn.Module]:
    """The surrogate after `count` evenly spaced epochs of one training run on clean images, the last included.

    Raises:
        DataError: fewer epochs than snapshots.
        Interrupted: after a stop request; the training is done again from its start.
    """
    if count > settings.epochs:
        raise DataError(f"{count} networks from {settings.epochs} epochs: pretrain.epochs must be at least that many")
    wanted = {settings.epochs * (i + 1) // count - 1 for i in range(count)}

    def fresh() -> list[nn.Module]:
        network, found = problem.network(), []

        def keep(epoch: int) -> None:
            if epoch in wanted:
                problem.workers.agree(network)
                found.append(copy.deepcopy(network).eval())

        train_surrogate(problem, network, settings, after_epoch=keep)
        return found

    with problem.workers.pinned():
        return kept(problem, [problem.network() for _ in range(count)], fresh)


def kept(problem: Problem, empty: Sequence[nn.Module], fresh: Callable[[], list[nn.Module]]) -> list[nn.Module]:
    """The networks that the checkpoint folder holds, filled into `empty`, or fresh ones, which are put there.

    Raises:
        OutputError: a file that does not fit.
    """
    if problem.checkpoints is None:
        return fresh()
    place = problem.checkpoints.folder / FILE
    # All or none: a process that trains would wait for the others.
    if problem.workers.total(int(place.exists())) == problem.workers.world:
        _fill(empty, place)
        return list(empty)
    made = fresh()
    problem.workers.together(lambda: _write(made, place))
    return made


def _write(networks: Sequence[nn.Module], place: Path) -> None:
    tensors = {
        f"{i}.{name}": tensor.detach().cpu().contiguous()
        for i, network in enumerate(networks)
        for name, tensor in network.state_dict().items()
    }
    with files.output_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(place) as temporary:
            save_file(tensors, temporary)


def _fill(networks: Sequence[nn.Module], place: Path) -> None:
    try:
        stored = load_file(place)
        for i, network in enumerate(networks):
            mine = {name.partition(".")[2]: t for name, t in stored.items() if name.partition(".")[0] == str(i)}
            network.load_state_dict(mine)
            network.eval()
    except (OSError, SafetensorError, RuntimeError) as error:
        raise OutputError(f"{place}: not the networks of this run ({str(error)[:120]})") from error


def headless(network: nn.Module) -> nn.Module:
    """A frozen copy that ends before the last linear layer: images to features (B, D)."""
    last = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)][-1]
    cut = copy.deepcopy(network)
    cut.set_submodule(last, nn.Identity())
    return folded(cut)


def features(problem: Problem, network: Callable[[Tensor], Tensor], index: Tensor, batch_size: int = 500) -> Tensor:
    """Features (B, D), float32, of clean samples at positions `index` (B,)."""

    def part(piece: Tensor) -> Tensor:
        images = training.to_float(problem.batches.images[piece])
        with torch.no_grad(), mixed_precision.autocast(problem.workers.device, problem.precision):
            return network(images).float()

    return torch.cat(problem.workers.map(part, index.split(batch_size)))


def class_means(problem: Problem, network: nn.Module) -> Tensor:
    """Mean features of every class, (classes, D); not a number for a class without samples.

    Samples are added up in the order of their keys, not in the order in which they are stored.
    """
    order = problem.batches.keys.argsort()
    found, labels = features(problem, network, order).double(), problem.batches.labels[order]
    members = F.one_hot(labels, problem.data.classes).double()
    return (members.T @ found / members.sum(0)[:, None]).float()
