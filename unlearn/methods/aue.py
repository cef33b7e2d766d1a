"""Augmented unlearnable examples (AUE). Wang, Zhu and Gao, NeurIPS 2024, Algorithm 1: EM under contrastive views.

Both halves of EM's loop see random resized crops, mirror images, color jitter and gray, which makes the noise of a
supervised surrogate work on contrastive learning too. `shift` above 0 is the same paper's targeted adversarial
poisoning (AAP), Algorithm 2: with one round and zero noise, the surrogate learns the clean images and the noise then
moves to a shifted label. Deviations from the released code: views are bilinear with reflection, their color changes
come in a fixed order; the rate falls with every step; AAP's rate has no warm-up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.crafting.schedule import Schedule
from unlearn.crafting.views import Chance, contrastive
from unlearn.pgd import PGD

if TYPE_CHECKING:
    from torch import Tensor, nn

    from unlearn.crafting.alternate import Seen
    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive
    from unlearn.stretched import Stretched


@dataclass(frozen=True)
class AUE:
    """The released settings for CIFAR-10 by default: 60 passes of the surrogate, each with five noise steps after it.

    strength: of the views, see `contrastive`; the paper takes 0.6 for CIFAR-10, 1 for CIFAR-100.
    shift: the noise step's label is so many classes further; 0 for AUE.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    pgd: PGD = PGD(0.8 / 255, 5)
    schedule: Schedule = Schedule(batch_size=128, pgd_batch_size=128, max_rounds=60, train_epochs=1, rate="cosine")
    strength: Chance = 0.6
    shift: Annotated[int, Field(ge=0)] = 0

    def craft(self, problem: Problem) -> Additive | Stretched:
        """Noise within problem.epsilon after `schedule.max_rounds` rounds; the surrogate's error does not end them."""
        import torch.nn.functional as F

        from unlearn.crafting.alternate import Objective, alternate  # torch stays out of recipe checks

        def loss(surrogate: nn.Module, seen: Seen) -> Tensor:
            labels = (seen.labels + self.shift) % problem.data.classes
            return F.cross_entropy(surrogate(seen.images), labels, reduction="sum")

        objective = Objective(descent=1.0, goal=None, noise_loss=loss)
        return alternate(problem, self.pgd, self.schedule, objective, views=contrastive(self.strength))
