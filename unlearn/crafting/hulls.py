"""The nearest point of what a person's features span. Cevikalp and Triggs, CVPR 2010; Zhong and Deng, TPAMI 2022."""

from collections.abc import Callable

import torch
from torch import Tensor

Nearest = Callable[[Tensor], Tensor]
ROUNDS = 60


def affine(points: Tensor) -> Nearest:
    """The nearest point to each of y (B, D) with weights over points (N, D) that sum to 1."""
    middle = points.mean(0)
    _, strengths, directions = torch.linalg.svd(points - middle, full_matrices=False)
    # Directions of rounding errors alone would let the hull be everything.
    basis = directions[strengths > 1e-5 * strengths[:1].clamp(min=1e-12)]
    return lambda y: middle + (y - middle) @ basis.T @ basis


def convex(points: Tensor, rounds: int = ROUNDS) -> Nearest:
    """The same with weights that aren't negative either, by accelerated projected gradients (Beck, Teboulle, 2009)."""
    # Around the middle, because what all points share would make the steps short.
    middle = points.mean(0)
    around = points - middle
    gram = around @ around.T
    step = 1 / torch.linalg.matrix_norm(gram, 2).clamp(min=1e-12)

    def nearest(y: Tensor) -> Tensor:
        pull = (y - middle) @ around.T
        weights = ahead = torch.full_like(pull, 1 / len(points))
        pace = 1.0
        for _ in range(rounds):
            moved = simplex(ahead - step * (ahead @ gram - pull))
            faster = (1 + (1 + 4 * pace**2) ** 0.5) / 2
            ahead, weights, pace = moved + (pace - 1) / faster * (moved - weights), moved, faster
        return weights @ points

    return nearest


def simplex(weights: Tensor) -> Tensor:
    """The nearest weights (B, N) that aren't negative and sum to 1. Held et al., 1974; Duchi et al., ICML 2008."""
    ordered = weights.sort(1, descending=True).values
    count = torch.arange(1, weights.shape[1] + 1, device=weights.device)
    excess = (ordered.cumsum(1) - 1) / count
    kept = (ordered > excess).sum(1, keepdim=True)
    return (weights - excess.gather(1, kept - 1)).clamp(min=0)
