"""Dual-branch unlearnable ensemble (DUNE). Wang et al., ICML 2026, *Dual-branch Robust Unlearnable Examples*.

Two perturbations are made apart and added: adversarial noise towards a shifted class on the states of one training
run, and one color shift for each class towards the same, found by a swarm of particles. Deviations: both stay inside
the problem's epsilon, where the released code shifts colors by up to 0.1 beyond it; at such sizes its penalties for
visible shifts (PSNR below 20, SSIM below 0.8) are zero and left out; the best place is kept by value, where the code
keeps a view that moves on; the shift is whole levels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.pgd import PGD
from unlearn.quantities import LEVELS, Positive, Rate, whole_levels
from unlearn.settings import Training

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.crafting.frozen import Descent
    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive


@dataclass(frozen=True)
class Dune:
    """The released code's settings for CIFAR-10 by default, within one budget.

    share: part of epsilon that belongs to the color shift, in whole levels; the noise has the rest.
    networks: states of the training run, evenly spaced, the last included.
    shift: the class that images are moved to is so many further; permutation: that of every class instead.
    particles, rounds, judges: of the swarm, and the images of a class that it is judged on.
    batch_size: images that are worked on at once on a device.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    pgd: PGD = PGD(0.5 / 255, 30)
    share: Rate = 0.25
    networks: Positive = 5
    shift: Annotated[int, Field(ge=1)] = 3
    permutation: tuple[int, ...] = ()
    particles: Positive = 10
    rounds: Positive = 10
    judges: Positive = 1000
    pretrain: Training = Training(epochs=120)
    batch_size: Positive = 512

    def craft(self, problem: Problem) -> Additive:
        """Noise and shifts within problem.epsilon together; rows sample-wise.

        Raises:
            DataError: shared rows, noise on a grid, classes that are led to themselves, or fewer epochs than networks.
        """
        import torch  # torch stays out of recipe checks

        from unlearn.crafting import cloaking, ensemble, frozen
        from unlearn.crafting.folding import folded
        from unlearn.perturbation import Additive

        frozen.need_own_rows(problem, "dune")
        cloaking.need_every_pixel(problem, "dune")
        targets = frozen.led_to(problem, self.shift, self.permutation, "dune")
        networks = [folded(network) for network in ensemble.snapshots(problem, self.pretrain, self.networks)]
        aim = frozen.Descent(problem, frozen.towards(networks, targets))
        levels = int(self.share * whole_levels(problem.epsilon))
        shifts = self._shifts(problem, aim, levels)
        rest = replace(problem, epsilon=problem.epsilon - levels / LEVELS)
        spatial = frozen.Descent(rest, aim.terms)
        made = frozen.walk(rest, self.pgd, spatial, "dune", batch_size=self.batch_size).levels()
        made = made.to(torch.int8 if whole_levels(problem.epsilon) <= 127 else torch.int16)
        mine = problem.row >= 0
        label = torch.zeros(problem.rows, dtype=torch.int64)  # of every row
        label[problem.row[mine]] = torch.from_numpy(problem.data.labels[mine])
        made += shifts[label][:, :, None, None].to(made.dtype)
        return Additive(made, torch.from_numpy(problem.row), problem.epsilon)

    def _shifts(self, problem: Problem, aim: Descent, levels: int) -> Tensor:
        """Levels by which the channels of a class are shifted, int16 (classes, C), at most `levels`."""
        import torch

        classes, channels = problem.data.classes, problem.data.images.shape[1]
        found = torch.zeros(classes, channels)
        if levels:
            with problem.workers.pinned(), problem.progress.task("color shifts", classes) as advance:
                for label in problem.batches.labels.unique().tolist():
                    found[label] = self._shift(problem, aim, label, levels / LEVELS) * LEVELS
                    advance(1)
        return found.round().clamp(-levels, levels).to(torch.int16)

    def _shift(self, problem: Problem, aim: Descent, label: int, bound: float) -> Tensor:
        """The shift (C,) of one class, in [-bound, bound]."""
        from unlearn import randomness, training
        from unlearn.crafting import frozen, swarm

        data = problem.batches
        members = (data.labels == label).nonzero()[:, 0]
        order = randomness.permutation(problem.seed, "judges", label, data.keys[members])
        parts = [
            frozen.Part(training.to_float(data.images[index]), data.labels[index], data.keys[index])
            for index in members[order][: self.judges].split(self.batch_size)
        ]

        def value(place: Tensor) -> float:
            colors = place.to(data.images.device)[:, None, None]
            held = ((part, problem.domain.project(colors.expand_as(part.images), part.images, bound)) for part in parts)
            return float(sum(aim.losses(part, shift).double().sum() for part, shift in held))

        box = swarm.Box(problem.data.images.shape[1], bound, problem.seed, label)
        return swarm.smallest(box, self.particles, self.rounds, value)
