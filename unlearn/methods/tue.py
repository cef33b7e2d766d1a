"""Transferable unlearnable examples (TUE). Ren et al., ICLR 2023: contrastive min-min, and noise separable by class.

The surrogate learns without labels that two views of a noisy image belong together, and the noise helps it; a second
term makes the noise of the classes linearly separable, which any learner and other data sets take up. Both compare
samples, so the result depends on which of them move together: `schedule.pgd_batch_size` at a time, drawn anew every
round. Small batches find other patterns each time, and networks then learn none of them. Deviations from the released
code: gradients pass through both parts of the discriminant, where its spread is detached; the surrogate is in
evaluation mode while noise moves; noise starts at random, since equal noise tells the discriminant nothing; the
projection is one linear layer; the contrastive term, whose weight is 0 in the released demo for SimCLR, counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.crafting.schedule import Schedule
from unlearn.crafting.views import Chance, contrastive
from unlearn.pgd import PGD
from unlearn.quantities import Positive

if TYPE_CHECKING:
    from torch import Tensor, nn

    from unlearn.crafting.alternate import Objective, Seen
    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive
    from unlearn.randomness import Draws
    from unlearn.stretched import Stretched

Weight = Annotated[float, Field(ge=0, le=1000)]


@dataclass(frozen=True)
class TUE:
    """The released SimCLR settings for CIFAR-10 by default: 40 passes of the surrogate, noise every 20 steps.

    features: outputs of the surrogate in place of classes.
    temperature: of the contrastive loss.
    strength: of its views, see `contrastive`.
    contrast, separability: weights of the two terms in a noise step; the surrogate only knows the first.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    pgd: PGD = PGD(0.8 / 255, 20, random_start=True)
    schedule: Schedule = Schedule(train_steps=20, batch_size=512, pgd_batch_size=512, max_rounds=194)
    features: Positive = 128
    temperature: Annotated[float, Field(gt=0, le=10)] = 0.5
    strength: Chance = 1.0
    contrast: Weight = 1.0
    separability: Weight = 0.1

    def craft(self, problem: Problem) -> Additive | Stretched:
        """Noise within problem.epsilon after `schedule.max_rounds` rounds; there is no error to stop at."""
        from unlearn.crafting.alternate import alternate  # torch stays out of recipe checks

        return alternate(replace(problem, outputs=self.features), self.pgd, self.schedule, self._objective())

    def _objective(self) -> Objective:
        from unlearn.crafting.alternate import Objective
        from unlearn.crafting.contrasting import nt_xent, separability, two_views

        views = contrastive(self.strength)

        def surrogate_loss(network: nn.Module, images: Tensor, labels: Tensor, draws: Draws) -> Tensor:
            return nt_xent(two_views(network, views, images, draws), self.temperature)

        def noise_loss(surrogate: nn.Module, seen: Seen) -> Tensor:
            value = self.separability * separability(seen.noise, seen.labels)
            if self.contrast:  # else the surrogate is not asked at all
                alike = nt_xent(two_views(surrogate, views, seen.images, seen.draws), self.temperature)
                value = value + self.contrast * alike
            return value

        return Objective(1.0, None, surrogate_loss=surrogate_loss, noise_loss=noise_loss, compares=True)
