"""Targeted adversarial poisoning (TAP). Fowl et al., NeurIPS 2021, *Adversarial Examples Make Strong Poisons*, sec. 3.

Images are moved to another class as a trained network sees it and keep their labels, through random crops and flips.
Deviations: a random start within the budget, where the released code draws a normal one beyond it; the best start is
chosen for each sample on the plain image, not for the whole data set; crops by whole pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.crafting.views import Views
from unlearn.pgd import PGD
from unlearn.quantities import Positive
from unlearn.settings import SGD, Training

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive
    from unlearn.randomness import Draws
    from unlearn.stretched import Stretched


@dataclass(frozen=True)
class TAP:
    """The paper's settings for CIFAR-10 by default.

    shift: the class that images are moved to is so many further; permutation: that of every class instead.
    restarts: starts a sample; the one that comes nearest to its class is kept.
    augment: crop and mirror inside the loop, as in the training of the network.
    views: what else is done to images before a network sees them, such as gray and JPEG; not in the paper.
    batch_size: images that are worked on at once on a device.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    pgd: PGD = PGD(0.4 / 255, 250, random_start=True)
    shift: Annotated[int, Field(ge=1)] = 1
    permutation: tuple[int, ...] = ()
    restarts: Positive = 8
    augment: bool = True
    views: Views = Views()
    pretrain: Training = Training(epochs=40, sgd=SGD(0.1))
    batch_size: Positive = 512

    def craft(self, problem: Problem) -> Additive | Stretched:
        """Noise within problem.epsilon for every sample; rows sample-wise.

        Raises:
            DataError: shared rows, or classes that are led to themselves.
        """
        from unlearn.crafting import ensemble, frozen  # torch stays out of recipe checks
        from unlearn.crafting.folding import folded

        frozen.need_own_rows(problem, "tap")
        targets = frozen.led_to(problem, self.shift, self.permutation, "tap")
        networks = [folded(network) for network in ensemble.snapshots(problem, self.pretrain, 1)]
        aim = frozen.Descent(problem, frozen.towards(networks, targets), self._look)
        noise = frozen.walk(problem, self.pgd, aim, "tap", self.restarts, self.batch_size)
        return problem.perturbation(noise)

    def _look(self, images: Tensor, draws: Draws) -> Tensor:
        from unlearn import augmentation
        from unlearn.crafting import channel

        seen = augmentation.standard_augmentation(images, draws, self.pretrain) if self.augment else images
        return channel.look(self.views, seen, draws)
