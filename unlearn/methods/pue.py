"""Provably unlearnable examples (PUE). Wang et al., NDSS 2025, section V: EM under Gaussian noise on the weights.

Both halves of EM's loop average over noisy copies of the surrogate's weights, so that the noise also holds for
classifiers near the surrogate; plain EM takes its place until the surrogate predicts half of the moved samples. The
certificate that the paper derives from it bounds the accuracy of classifiers within a small L2 ball around the
surrogate, and no others. Deviations from the released code: one optimizer step a batch, not one a level, and gradients
are clipped once a step; weight noise is drawn once for all tasks of a step; level 0 is not repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.crafting.schedule import Schedule
from unlearn.pgd import PGD
from unlearn.quantities import Positive

if TYPE_CHECKING:
    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive
    from unlearn.stretched import Stretched


@dataclass(frozen=True)
class PUE:
    """By default settings of the released README: noise of 0.25 in steps of 0.05, for CIFAR-10 with one draw each.

    sigma: largest standard deviation of the noise, added to every parameter in its own units, whatever its size; a
        network whose weights are smaller needs a smaller one.
    levels: standard deviations averaged over, evenly spaced from 0 to sigma.
    samples, train_samples: copies with noise for each level above 0, in a noise step and in a step of the surrogate;
        cost grows with levels times samples.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    pgd: PGD = PGD(0.8 / 255, 1)
    schedule: Schedule = Schedule(batch_size=128, pgd_batch_size=512, portion=0.2)
    sigma: Annotated[float, Field(gt=0, le=10)] = 0.25
    levels: Annotated[int, Field(ge=2, le=100)] = 6
    samples: Positive = 1
    train_samples: Positive = 100

    @property
    def deviations(self) -> tuple[float, ...]:
        """The levels."""
        return tuple(self.sigma * level / (self.levels - 1) for level in range(self.levels))

    def craft(self, problem: Problem) -> Additive | Stretched:
        """Noise within problem.epsilon that lets the shaken surrogate's error fall to the stop error."""
        from unlearn.crafting import smoothing  # torch stays out of recipe checks
        from unlearn.crafting.alternate import MIN_MIN, Objective, alternate

        objective = Objective(
            descent=1.0,
            goal="fall",
            surrogate_loss=smoothing.surrogate_loss(self.deviations, self.train_samples),
            noise_loss=smoothing.noise_loss(self.deviations, self.samples),
            frozen=smoothing.still,
            before=MIN_MIN,
        )
        return alternate(problem, self.pgd, self.schedule, objective)
