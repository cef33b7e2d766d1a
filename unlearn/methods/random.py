"""Uniform random noise of the same budget: the control that every claim stands beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ConfigDict

if TYPE_CHECKING:
    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive
    from unlearn.stretched import Stretched


@dataclass(frozen=True)
class Random:
    """U(-epsilon, epsilon) for every row, drawn from (seed, row's key)."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    def craft(self, problem: Problem) -> Additive | Stretched:
        """Noise that no surrogate has seen."""
        from unlearn.crafting import noise  # torch stays out of recipe checks

        shape = problem.domain.shape(tuple(problem.data.images.shape[1:]))
        grid = noise.grid(problem.rows, shape, problem.epsilon, 1 / 255, problem.storage())
        noise.randomize(grid, problem.row_keys(), problem.seed, problem.epsilon)
        return problem.perturbation(grid)
