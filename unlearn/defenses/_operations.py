"""The fourteen operations of RandAugment, each sample with one of them and a strength of its own."""

from collections.abc import Callable

import torch
from torch import Tensor

from unlearn.crafting import coloring
from unlearn.defenses import _coloring as color
from unlearn.defenses._warping import affine
from unlearn.randomness import Draws

Operation = Callable[[Tensor, Tensor], Tensor]
ROTATION = 30 * torch.pi / 180
SHEAR = 0.3
SHIFT = 2 * 150 / 331  # in units of half an image: AutoAugment's 150 of 331 pixels
TONE = 0.9


def _map(images: Tensor, entries: dict[tuple[int, int], Tensor]) -> Tensor:
    """An affine map that is the identity but for these entries (B,)."""
    matrix = torch.eye(2, 3, device=images.device).repeat(len(images), 1, 1)
    for (row, column), value in entries.items():
        matrix[:, row, column] = value
    return affine(images, matrix)


def _rotate(images: Tensor, strength: Tensor) -> Tensor:
    cos, sin = (strength * ROTATION).cos(), (strength * ROTATION).sin()
    ratio = images.shape[2] / images.shape[3]  # places are in halves of each side
    return _map(images, {(0, 0): cos, (0, 1): -sin * ratio, (1, 0): sin / ratio, (1, 1): cos})


# Strengths lie in [-1, 1]; where there is no direction, their size counts.
OPERATIONS: tuple[Operation, ...] = (
    lambda x, s: x,
    lambda x, s: color.autocontrast(x),
    lambda x, s: color.equalize(x),
    _rotate,
    lambda x, s: color.solarize(x, 1 - s.abs()),
    lambda x, s: coloring.saturation(x, 1 + TONE * s),
    lambda x, s: color.posterize(x, 8 - (4 * s.abs()).round()),
    lambda x, s: coloring.contrast(x, 1 + TONE * s),
    lambda x, s: coloring.brightness(x, 1 + TONE * s),
    lambda x, s: color.sharpness(x, 1 + TONE * s),
    lambda x, s: _map(x, {(0, 1): SHEAR * s}),
    lambda x, s: _map(x, {(1, 0): SHEAR * s}),
    lambda x, s: _map(x, {(0, 2): SHIFT * s}),
    lambda x, s: _map(x, {(1, 2): SHIFT * s}),
)


def apply(images: Tensor, draws: Draws, strength: Tensor, stream: str) -> Tensor:
    """One operation for each image, drawn by `stream`, with strength (B,) in [0, 1] and a random direction."""
    choice = draws.integers(f"{stream}-operation", len(OPERATIONS))
    signed = torch.where(draws.uniform(f"{stream}-direction") < 0.5, -strength, strength)
    out = images.clone()
    for number, operation in enumerate(OPERATIONS):
        chosen = (choice == number).nonzero()[:, 0]
        if len(chosen):
            out[chosen] = operation(images[chosen], signed[chosen])
    return out.clamp(0.0, 1.0)
