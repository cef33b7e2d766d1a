"""Fawkes, a cloak for every photo. Shan et al., USENIX Security 2020, equation 2; untargeted, as its release 1.0.

Deviations: epsilon bounds the change of every pixel, where the release has 15/255 in its loop and none in the saved
file; canvases of aligned faces instead of crops of 112 pixels, so nothing is enlarged; the noise is never stretched to
another range; other embedders, whose weights can be had.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import ConfigDict, Field

from unlearn.quantities import Positive

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.crafting.cloaking import Group, Tick
    from unlearn.crafting.embedding import Objective
    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive
    from unlearn.stretched import Stretched

INSIDE = 2 - 1e-6  # keeps black and white from lying at infinity
LARGEST_WEIGHT = 129.0
DECAY = 0.95  # of Adadelta, with Keras' epsilon
TINY = 1e-7


@dataclass(frozen=True)
class Fawkes:
    """The release's mode `mid` by default.

    dissimilarity: budget of the structural dissimilarity (1 - SSIM) / 2; up to a tenth more is kept, as in the release.
    penalty: weight of the squared excess over it.
    target: towards the mean features of the most distant other label, as in the paper, not away from the photo's own.
    batch_size: photos that are worked on together.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    NEEDS_EMBEDDERS: ClassVar = True

    dissimilarity: Annotated[float, Field(gt=0, lt=1)] = 0.012
    steps: Positive = 75
    lr: Annotated[float, Field(gt=0)] = 20.0
    penalty: Annotated[float, Field(gt=0)] = 1e6
    target: bool = False
    batch_size: Positive = 8

    def craft(self, problem: Problem) -> Additive | Stretched:
        """A cloak within problem.epsilon for every photo; rows sample-wise.

        Raises:
            DataError: no embedders, shared rows, noise on a coarse grid, or a target without a second label.
        """
        from unlearn.crafting import cloaking, embedding  # torch stays out of recipe checks

        embedding.need_embedders(problem, "fawkes")
        cloaking.need_every_pixel(problem, "fawkes")
        groups = cloaking.samples(problem, self.batch_size, "fawkes")
        centers = self._centers(problem) if self.target else None

        def work(group: Group, tick: Tick) -> Tensor:
            return self._cloak(problem, group, tick, self._aims(problem, group, centers))

        noise = cloaking.craft(problem, groups, self.steps, work)
        return problem.perturbation(noise)

    def _cloak(self, problem: Problem, group: Group, tick: Tick, aims: list[Tensor]) -> Tensor:
        """The best noise (B, C, H, W) of a group that was met on the way."""
        import torch

        from unlearn import randomness, training
        from unlearn.crafting import embedding

        data = problem.batches
        images = training.to_float(data.images[group.index])
        draws = randomness.uniform(problem.seed, "modifier", 0, data.keys[group.index], tuple(images.shape[1:]))
        modifier = (2 * draws - 1) * 1e-4
        optim = torch.optim.Adadelta([modifier], lr=self.lr, rho=DECAY, eps=TINY)
        weight, last = images.new_ones(len(images)), images.new_zeros(len(images))
        best, record = torch.zeros_like(images), images.new_full((len(images),), -float("inf"))
        for step in range(self.steps):
            tick()
            values, gradient = embedding.descend(problem, modifier, self._objective(problem, images, aims, weight))
            _, dissimilarity, gain = values.unbind(1)
            better = (dissimilarity <= 1.1 * self.dissimilarity) & (gain > record)
            best = torch.where(better[:, None, None, None], _cloaked(images, modifier, problem.epsilon) - images, best)
            record = torch.where(better, gain, record)
            modifier.grad = gradient
            optim.step()
            if step == 0:
                modifier -= 0.01 * gradient.sign()
            weight, last = self._weights(weight, last, dissimilarity)
        return best

    def _objective(self, problem: Problem, images: Tensor, aims: list[Tensor], weight: Tensor) -> Objective:
        """Loss, dissimilarity and what was gained, all by photo, in columns."""
        import torch

        from unlearn.crafting import embedding, similarity

        sign = -1.0 if self.target else 1.0

        def objective(places: Tensor, modifier: Tensor) -> Tensor:
            cloaked = _cloaked(images[places], modifier, problem.epsilon)
            dissimilarity = similarity.dssim(images[places], cloaked)
            excess = (dissimilarity - self.dissimilarity).clamp(min=0)
            found = embedding.features(problem, cloaked)
            moved = [((f - aim[places]) ** 2).sum(1) for f, aim in zip(found, aims, strict=True)]
            gain = sign * torch.stack(moved).sum(0)
            return torch.stack([self.penalty * excess**2 - weight[places] * gain, dissimilarity, gain], dim=1)

        return objective

    def _weights(self, weight: Tensor, last: Tensor, dissimilarity: Tensor) -> tuple[Tensor, Tensor]:
        """The features' next weight: doubled with room in the budget, halved beyond it, 1 when that turns round."""
        rising = (dissimilarity < 0.9 * self.dissimilarity) & (weight <= LARGEST_WEIGHT)
        falling = (dissimilarity > 1.1 * self.dissimilarity) & (weight >= 1 / LARGEST_WEIGHT)
        move = rising.float() - falling.float()
        turned = (move == 0) | (move * last < 0)
        return (weight * 2.0**move).masked_fill(turned, 1.0), move

    def _centers(self, problem: Problem) -> list[Tensor]:
        """Mean features of every label, (labels, D) by embedder; not a number for labels without photos."""
        import torch

        from unlearn.crafting import embedding
        from unlearn.errors import DataError

        labels = problem.batches.labels
        if len(labels.unique()) < 2:
            raise DataError("fawkes: a target needs photos of a second label")
        found = embedding.clean_features(problem, torch.arange(len(labels), device=labels.device))
        return [torch.stack([f[labels == c].mean(0) for c in range(problem.data.classes)]) for f in found]

    def _aims(self, problem: Problem, group: Group, centers: list[Tensor] | None) -> list[Tensor]:
        """Features to leave, or those of the most distant other label to go to; (B, D) by embedder."""
        import torch

        from unlearn.crafting import embedding

        clean = embedding.clean_features(problem, group.index)
        if centers is None:
            return clean
        far = torch.stack([torch.cdist(f, c) for f, c in zip(clean, centers, strict=True)]).sum(0).nan_to_num(-1.0)
        far.scatter_(1, problem.batches.labels[group.index][:, None], -1.0)
        return [c[far.argmax(1)] for c in centers]


def _cloaked(images: Tensor, modifier: Tensor, epsilon: float) -> Tensor:
    """Images moved, at most by epsilon, in the space of the inverse hyperbolic tangent, where all values are pixels."""
    free = ((images - 0.5) * INSIDE).atanh()
    return images + ((free + modifier).tanh() / INSIDE + 0.5 - images).clamp(-epsilon, epsilon)
