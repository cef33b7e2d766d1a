"""Features that no label of the images has shaped: of weights from a file, or learned by telling rotations apart."""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearn import pretrained, training
from unlearn.crafting import ensemble
from unlearn.crafting.pretrain import train_surrogate
from unlearn.crafting.problem import Problem
from unlearn.randomness import Draws
from unlearn.settings import Training

TURNS = 4
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
Features = Callable[[Tensor], Tensor]  # images (B, C, H, W) in [0, 1] to features (B, D), differentiable


def stored(problem: Problem, weights: Path, size: int | None, normalize: bool) -> Features:
    """Of the surrogate's network with weights from a file, for images scaled to `size` pixels a side.

    Raises:
        DataError: not a readable file, or weights of another network.
    """
    channels, height, width = problem.data.images.shape[1:]
    sides = (size, size) if size else (height, width)
    network = training.build(problem.surrogate.network, problem.data.classes, (channels, *sides), problem.seed)
    pretrained.load(network, weights)
    cut = ensemble.headless(network.to(problem.workers.device))

    def features(images: Tensor) -> Tensor:
        if tuple(images.shape[2:]) != sides:
            images = F.interpolate(images, sides, mode="bilinear", antialias=True)
        if normalize:
            mean, deviation = (images.new_tensor(each)[:channels, None, None] for each in (MEAN, DEVIATION))
            images = (images - mean) / deviation
        found: Tensor = cut(images)
        return found

    return features


def rotations(problem: Problem, settings: Training) -> Features:
    """Of a surrogate that has learned by how many quarter turns an image is rotated.

    Raises:
        Interrupted: after a stop request; the training is done again from its start.
    """

    def fresh() -> list[nn.Module]:
        network = _empty(problem)
        train_surrogate(problem, network, settings, augment=_turned)
        problem.workers.agree(network)
        return [network.eval()]

    with problem.workers.pinned():
        return ensemble.headless(ensemble.kept(problem, [_empty(problem)], fresh)[0])


def _empty(problem: Problem) -> nn.Module:
    shape = tuple(problem.data.images.shape[1:])
    return training.build(problem.surrogate.network, TURNS, shape, problem.seed).to(problem.workers.device)


def _turned(images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """Images rotated by random quarter turns, by half turns where they are not square; the turns (B,) for labels."""
    turns = draws.integers("turns", TURNS)
    if images.shape[2] != images.shape[3]:
        turns = 2 * (turns // 2)
    views = {turn: torch.rot90(images, turn, (2, 3)) for turn in turns.unique().tolist()}
    rotated = images
    for turn, view in views.items():
        rotated = torch.where((turns == turn)[:, None, None, None], view, rotated)
    return rotated, turns
