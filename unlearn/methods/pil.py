"""Perturbation-induced linearization (PIL). Liu et al., ICLR 2026: noise that a linear classifier reads as the label.

A classifier without a bias is trained on the clean images; then x - delta is to tell it nothing, and delta alone its
label. The noise here is -delta. Deviations: one linear map where the released code has the product of two; batches are
shuffled; values are clipped to real pixels inside the loop; noise may live on a coarse grid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.pgd import PGD
from unlearn.settings import SGD, Training

if TYPE_CHECKING:
    from torch import Tensor, nn

    from unlearn.crafting.alternate import NoiseLoss, Seen
    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive
    from unlearn.stretched import Stretched


@dataclass(frozen=True)
class PIL:
    """The released settings for CIFAR-10 by default. The surrogate is always linear, whatever the recipe names.

    balance: weight of the label in the noise, against that of nothing in the image.
    batch_size: samples whose noise moves together; it matters to rows that samples share, and to memory.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    pgd: PGD = PGD(0.8 / 255, 30, random_start=True)
    pretrain: Training = Training(epochs=30, batch_size=512, sgd=SGD(lr=0.003, weight_decay=0.0, clip=0.0), augment=())
    balance: Annotated[float, Field(ge=0, le=1)] = 0.9
    batch_size: Annotated[int, Field(ge=1)] = 512

    def craft(self, problem: Problem) -> Additive | Stretched:
        """Noise within problem.epsilon."""
        from unlearn.crafting.alternate import Objective, alternate  # torch stays out of recipe checks
        from unlearn.crafting.pretrain import train_surrogate
        from unlearn.crafting.schedule import Schedule

        problem = replace(problem, surrogate=replace(problem.surrogate, network="linear"))
        schedule = Schedule(train_steps=0, pgd_batch_size=self.batch_size, max_rounds=1)

        def prepare(network: nn.Module) -> None:
            _drop_bias(network)
            train_surrogate(problem, network, self.pretrain)

        objective = Objective(descent=1.0, goal=None, noise_loss=self._loss(problem))
        return alternate(problem, self.pgd, schedule, objective, prepare)

    def _loss(self, problem: Problem) -> NoiseLoss:
        """Sums over the batch: cross-entropy of the noise read backwards, and divergence of nothing from the image."""
        import torch
        import torch.nn.functional as F

        def loss(linear: nn.Module, seen: Seen) -> Tensor:
            gray = torch.full_like(seen.images, 0.5)
            delta = gray - problem.domain.noisy(gray, seen.noise)
            label = F.cross_entropy(linear(delta), seen.labels, reduction="sum")
            nothing = -F.log_softmax(linear(seen.images), dim=1).mean(1).sum()
            return self.balance * label + (1 - self.balance) * nothing

        return loss


def _drop_bias(network: nn.Module) -> None:
    """Fix all biases at 0, so that noise means the same to the classifier with and without an image."""
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            parameter.data.zero_()
            parameter.requires_grad_(False)
