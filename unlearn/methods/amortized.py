"""Amortized noise: EM (Huang et al., ICLR 2021) written by a generator, as in DeepConfuse (Feng et al., NeurIPS 2019).

Surrogate and generator learn in turns on a share of the images, min over weights and min over noise as in EM; then the
generator writes the noise of all images, also of those that it never saw, in one forward pass. Nearer to EM than to
*Learning to Confuse*, whose auto-encoder maximizes the error of a network trained on its noise and replays that
training. Deviations from both: the generator is told the label, because noise that lowers the error has to encode it;
what the weights follow are the signs of the gradient at every pixel, as EM's noise does, not the gradient; noise is
rounded to whole levels. Other generators of the field: one for each cluster in UC (Zhang et al., CVPR 2023), fixed
filters for each class in AR (Sandoval-Segura et al., NeurIPS 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ConfigDict

from unlearn.crafting.amortization import Generator
from unlearn.crafting.schedule import Schedule
from unlearn.crafting.views import Views
from unlearn.quantities import Share

if TYPE_CHECKING:
    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive
    from unlearn.stretched import Stretched


@dataclass(frozen=True)
class Amortized:
    """Settings of its own: no paper has this combination.

    share: of the images, drawn by seed and ids evenly over the classes: what surrogate and generator learn on.
    schedule: as for EM; `pgd_batch_size` is the generator's batch, `portion` a part of the share.
    views: what happens to the images between their owner and a trainer, inside the loop.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    share: Share = 0.25
    generator: Generator = Generator()
    schedule: Schedule = Schedule(pgd_batch_size=128)
    views: Views = Views()

    def craft(self, problem: Problem) -> Additive | Stretched:
        """Noise within problem.epsilon for every sample; rows sample-wise.

        Raises:
            DataError: shared rows.
            Interrupted: after a stop request, with a checkpoint if there is a place for one.
        """
        from unlearn.crafting.amortize import amortize  # torch stays out of recipe checks

        return amortize(problem, self.share, self.generator, self.schedule, self.views)
