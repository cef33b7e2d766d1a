"""Adversarial training. Madry et al., ICLR 2018: train on the worst images within a budget, PGD-10 by default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn import pgd
from unlearn.defenses import Defense
from unlearn.quantities import Epsilon, StepSize, text

if TYPE_CHECKING:
    from torch import Tensor, nn

    from unlearn.randomness import Draws


@dataclass(frozen=True)
class Adversarial(Defense):
    """The attack looks at the victim in evaluation mode; the victim then trains on what it found."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    epsilon: Epsilon = 8 / 255
    step_size: StepSize = 2 / 255
    steps: Annotated[int, Field(ge=1, le=100)] = 10

    @property
    def label(self) -> str:
        return f"adversarial-{text(self.epsilon)}"

    def loss(self, victim: nn.Module, images: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        """Cross-entropy on adversarial images."""
        import torch.nn.functional as F  # torch stays out of recipe checks

        victim.eval()
        adversarial = images + self.attack(victim, images, labels, draws)
        victim.train()
        return F.cross_entropy(victim(adversarial), labels)

    def attack(self, victim: nn.Module, images: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        """The perturbation found, shape (B, C, H, W), within epsilon and real pixels, from a random start."""
        import torch
        import torch.nn.functional as F

        start = (2 * draws.uniform("adversarial", tuple(images.shape[1:])) - 1) * self.epsilon
        delta = pgd.project(start, images, self.epsilon)
        for _ in range(self.steps):
            noisy = (images + delta).requires_grad_()
            loss = F.cross_entropy(victim(noisy), labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, noisy)
            delta = pgd.step(delta, gradient, images, self.epsilon, -self.step_size)
        return delta
