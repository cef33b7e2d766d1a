"""Error-minimizing noise (EM). Huang et al., ICLR 2021, Algorithm 1: min over weights, min over noise.

Sample-wise or class-wise by the problem's rows; class-wise noise is the mean of its members' steps, batch after
batch, as in the released code. Deviations: see crafting/alternate.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ConfigDict

from unlearn.crafting.schedule import Schedule
from unlearn.crafting.views import Views
from unlearn.pgd import PGD

if TYPE_CHECKING:
    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive
    from unlearn.stretched import Stretched


@dataclass(frozen=True)
class EM:
    """The paper's sample-wise settings for CIFAR-10 by default.

    views: what happens to the images between their owner and a trainer, inside the loop; nothing by default, as in
        the paper.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    pgd: PGD = PGD()
    schedule: Schedule = Schedule()
    views: Views = Views()

    def craft(self, problem: Problem) -> Additive | Stretched:
        """Noise within problem.epsilon that lets the surrogate's error fall to the stop error."""
        from unlearn.crafting.alternate import MIN_MIN, alternate  # torch stays out of recipe checks

        return alternate(problem, self.pgd, self.schedule, MIN_MIN, views=self.views)
