"""Hypocritical noise (HYPO), known to be weak. Tao et al., NeurIPS 2021, *Better Safe Than Sorry*, section 3, P2.

Error-minimizing noise on a network that has been trained to the end: each image looks still more like its own class.
Such a network has little left to minimize, so victims go on learning from the images (71.5 % on CIFAR-10).
Deviations: the L-infinity budget of the problem, where the paper's default is an L2 one of 0.5; losses are summed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ConfigDict

from unlearn.pgd import PGD
from unlearn.quantities import Positive
from unlearn.settings import Training

if TYPE_CHECKING:
    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive
    from unlearn.stretched import Stretched


@dataclass(frozen=True)
class Hypo:
    """The paper's steps and epochs by default.

    batch_size: images that are worked on at once on a device.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    pgd: PGD = PGD(1.6 / 255, 100)
    pretrain: Training = Training(epochs=150)
    batch_size: Positive = 512

    def craft(self, problem: Problem) -> Additive | Stretched:
        """Noise within problem.epsilon that lowers a trained network's loss; rows sample-wise.

        Raises:
            DataError: shared rows.
        """
        import torch  # torch stays out of recipe checks

        from unlearn.crafting import ensemble, frozen
        from unlearn.crafting.folding import folded

        frozen.need_own_rows(problem, "hypo")
        own = torch.arange(problem.data.classes, device=problem.workers.device)
        networks = [folded(network) for network in ensemble.snapshots(problem, self.pretrain, 1)]
        aim = frozen.Descent(problem, frozen.towards(networks, own))
        return problem.perturbation(frozen.walk(problem, self.pgd, aim, "hypo", batch_size=self.batch_size))
