"""Self-ensemble protection (SEP). Chen et al., ICLR 2023, *Training Checkpoints Are Good Data Protectors*, section 3.

Adversarial noise towards another class on the states that one training run went through; towards that class's mean
features (FA), with the gradients' variance between the states reduced in an inner loop (VR: Xiong et al., CVPR 2022,
algorithm 1). Deviations from the released code: the inner loop takes each state's own class means, where the code
takes the last state's; noise is rounded, where the code truncates; the states that the inner loop visits are drawn
by step, the same ones for all samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from unlearn.crafting.views import Views
from unlearn.errors import DataError
from unlearn.pgd import PGD
from unlearn.quantities import Positive
from unlearn.settings import Training, as_before

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from unlearn.crafting.frozen import Descent, Loss, Part
    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive
    from unlearn.stretched import Stretched


@dataclass(frozen=True)
class SEP:
    """Plain SEP with the paper's settings for CIFAR-10 by default.

    networks: states of the training run, evenly spaced, the last included; the paper takes half as many for FA-VR.
    shift: the class that images are moved to is so many further; None for half of the classes.
    permutation: that of every class instead.
    align: move features to the class's mean features, not logits to the class.
    inner: steps of the inner loop of variance reduction; 0 for none.
    views: what happens to images before a network sees them, such as crops, gray and JPEG; not in the paper.
    batch_size: images that are worked on at once on a device.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    pgd: PGD = PGD(1 / 255, 30)
    networks: Positive = 30
    shift: Positive | None = None
    permutation: tuple[int, ...] = ()
    align: bool = False
    inner: Annotated[int, Field(ge=0)] = 0
    views: Views = Views()
    pretrain: Training = Training(epochs=120)
    batch_size: Positive = 512

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return as_before(self, handler(self), "views")

    def craft(self, problem: Problem) -> Additive | Stretched:
        """Noise within problem.epsilon for every sample; rows sample-wise.

        Raises:
            DataError: shared rows, classes that are led to themselves, or fewer epochs than networks.
        """
        from unlearn.crafting import channel, ensemble, frozen  # torch stays out of recipe checks

        frozen.need_own_rows(problem, "sep")
        shift = self.shift or problem.data.classes // 2
        targets = frozen.led_to(problem, shift, self.permutation, "sep")
        networks = ensemble.snapshots(problem, self.pretrain, self.networks)
        mean = frozen.Descent(problem, self._terms(problem, networks, targets), partial(channel.look, self.views))
        aim = Reduced(mean, self.pgd, self.inner) if self.inner else mean
        return problem.perturbation(frozen.walk(problem, self.pgd, aim, "sep", batch_size=self.batch_size))

    def _terms(self, problem: Problem, networks: Sequence[nn.Module], targets: Tensor) -> list[Loss]:
        from unlearn.crafting import ensemble, frozen
        from unlearn.crafting.folding import folded

        if not self.align:
            return frozen.towards([folded(network) for network in networks], targets)
        cut = [ensemble.headless(network) for network in networks]
        with problem.workers.pinned():
            aims = [_there(problem, ensemble.class_means(problem, network)[targets]) for network in cut]
        return [_distance(network, aim) for network, aim in zip(cut, aims, strict=True)]


def _there(problem: Problem, aims: Tensor) -> Tensor:
    """Aims (classes, D), each of which some sample needs and none is the mean of no samples.

    Raises:
        DataError: a class that others are led to has no samples.
    """
    names, used = problem.data.names, problem.batches.labels.unique().tolist()
    for label in used:
        if aims[label].isnan().any():
            raise DataError(f'sep: align leads class "{names[label]}" to the mean of a class that has no samples')
    return aims


def _distance(network: nn.Module, aims: Tensor) -> Loss:
    """Mean squared distance of features to those that a label is led to; aims (classes, D)."""
    return lambda images, labels: ((network(images) - aims[labels]) ** 2).mean(1)


@dataclass(frozen=True)
class Reduced:
    """The descent on an ensemble with the variance between its networks reduced."""

    mean: Descent
    pgd: PGD
    inner: int

    def losses(self, part: Part, held: Tensor) -> Tensor:
        """Mean loss over the networks."""
        return self.mean.losses(part, held)

    def direction(self, part: Part, held: Tensor, step: int) -> Tensor:
        """The sum of the inner loop's gradients, each corrected by how its network differs from the mean at `held`."""
        import torch

        problem, terms = self.mean.problem, self.mean.terms
        here = torch.stack([self.mean.gradient(term, part, held, step) for term in terms])
        mean, total, inside = here.mean(0), torch.zeros_like(held), held
        for i in self._visited(step):
            total = total + self.mean.gradient(terms[i], part, inside, step) - (here[i] - mean)
            moved = inside - self.pgd.step_size * total.sign()
            inside = problem.domain.project(moved, part.images, problem.epsilon)
        return total

    def _visited(self, step: int) -> list[int]:
        """Positions of the networks that the inner loop visits."""
        import torch

        from unlearn import randomness

        keys = torch.arange(self.inner)
        drawn = randomness.integers(self.mean.problem.seed, "network", step, keys, len(self.mean.terms))
        return [int(i) for i in drawn]
