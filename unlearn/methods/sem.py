"""Stable error-minimizing noise (SEM). Liu et al., AAAI 2024: REM with random noise in place of the noise's adversary.

The surrogate is still trained against an adversary; the noise itself is made stable against uniform noise of the same
radius, which costs a ninth of REM's passes. Deviations: see crafting/robust.py.
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
class SEM:
    """The released CIFAR-10 settings by default."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    pgd: PGD = PGD(1.6 / 255, 10)
    robustness: Robustness = Robustness()

    def craft(self, problem: Problem) -> Additive | Stretched:
        """Noise within problem.epsilon that a robust surrogate learns in place of the images."""
        from unlearn.crafting.robust import robust, uniform_noise  # torch stays out of recipe checks

        return robust(problem, self.robustness, self.pgd, uniform_noise(self.robustness))
