"""Error-maximizing noise (min-max). Huang et al., ICLR 2021, the baseline of section 4: adversarial noise.

The surrogate is trained on clean images first and then frozen; the noise climbs its loss until its error
reaches `schedule.stop_error`. `schedule.train_steps` above 0 lets the surrogate answer between the passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ConfigDict

from unlearn.crafting.schedule import Schedule
from unlearn.pgd import PGD
from unlearn.settings import Training

if TYPE_CHECKING:
    from torch import nn

    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive
    from unlearn.stretched import Stretched


@dataclass(frozen=True)
class MinMax:
    """The released scripts' settings for CIFAR-10 by default."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    pgd: PGD = PGD()
    schedule: Schedule = Schedule(train_steps=0, stop_error=0.9)
    pretrain: Training = Training()

    def craft(self, problem: Problem) -> Additive | Stretched:
        """Noise within problem.epsilon that lets a trained surrogate's error rise to the stop error."""
        from unlearn.crafting.alternate import MIN_MAX, alternate  # torch stays out of recipe checks
        from unlearn.crafting.pretrain import train_surrogate

        def prepare(network: nn.Module) -> None:
            train_surrogate(problem, network, self.pretrain)

        return alternate(problem, self.pgd, self.schedule, MIN_MAX, prepare)
