"""Robust error-minimizing noise (REM). Fu et al., ICLR 2022, Algorithm 1: min over weights, min over noise, max within.

The noise lowers the loss that an adversary of half its budget then raises, in expectation over a trainer's crops and
flips; so it outlasts adversarial training within that smaller budget, and no more (the paper's claim as well).
Deviations: see crafting/robust.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ConfigDict

from unlearn.crafting.robustness import Robustness
from unlearn.pgd import PGD

if TYPE_CHECKING:
    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive
    from unlearn.stretched import Stretched


@dataclass(frozen=True)
class REM:
    """The released CIFAR-10 settings by default."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    pgd: PGD = PGD(1.6 / 255, 10)
    robustness: Robustness = Robustness()

    def craft(self, problem: Problem) -> Additive | Stretched:
        """Noise within problem.epsilon that a robust surrogate learns in place of the images."""
        from unlearn.crafting.robust import adversary, robust  # torch stays out of recipe checks

        return robust(problem, self.robustness, self.pgd, adversary(self.robustness, problem.precision))
