"""Particle swarm optimization of a few numbers in a box. Kennedy and Eberhart, ICNN 1995, without random weights."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn import randomness

INERTIA, OWN, COMMON = 0.5, 0.3, 0.3  # as in the released code of DUNE
START = 0.1  # of the box: the first velocities


@dataclass(frozen=True)
class Box:
    """[-bound, bound] in each of `size` dimensions; the draws depend on a seed and a number."""

    size: int
    bound: float
    seed: int
    number: int = 0


def smallest(box: Box, particles: int, rounds: int, value: Callable[[Tensor], float]) -> Tensor:
    """The place (size,) of the smallest value that the swarm has met."""
    keys = torch.arange(particles)
    draws = randomness.uniform(box.seed, "swarm", box.number, keys, (2, box.size))
    places, speeds = box.bound * (2 * draws[:, 0] - 1), START * box.bound * (2 * draws[:, 1] - 1)
    best, record = places.clone(), torch.full((particles,), float("inf"))
    for _ in range(rounds):
        values = torch.tensor([value(place) for place in places])
        better = values < record
        best, record = torch.where(better[:, None], places, best), torch.where(better, values, record)
        speeds = INERTIA * speeds + OWN * (best - places) + COMMON * (best[record.argmin()] - places)
        places = (places + speeds).clamp(-box.bound, box.bound)
    return best[record.argmin()]
