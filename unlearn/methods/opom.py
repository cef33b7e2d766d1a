"""OPOM, one mask for all photos of a person. Zhong and Deng, TPAMI 2022, equations 3 to 8.

Deviations: canvases of 224 pixels instead of crops of 112; the sum over several embedders instead of one surrogate;
the momentum form without dropout inside the surrogate; the mean gradient's own norm in it covers all pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from unlearn.quantities import Positive, StepSize

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.crafting.cloaking import Group, Tick
    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive
    from unlearn.stretched import Stretched

    Pull = Callable[[Tensor, int, Tensor], Tensor]

OUTSIDE_AFTER = 5  # steps away from the center, after which features have left the convex hull


@dataclass(frozen=True)
class OPOM:
    """The convex hull with the steps of the released runs by default.

    variant: what features are driven away from: each photo's own (`fi`), all photos' by their mean cosine (`fi_plus`),
        their mean (`class_center`), or the nearest point of their `affine_hull` or `convex_hull`.
    momentum: decay of gradients that are summed up over the steps, each photo moving by signs of its own; None moves
        all photos by the sign of their mean gradient.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    NEEDS_EMBEDDERS: ClassVar = True

    variant: Literal["fi", "fi_plus", "class_center", "affine_hull", "convex_hull"] = "convex_hull"
    steps: Positive = 16
    step_size: StepSize = 1 / 255
    momentum: Annotated[float, Field(ge=0, le=1)] | None = None

    def craft(self, problem: Problem) -> Additive | Stretched:
        """One mask within problem.epsilon for every row; rows class-wise.

        Raises:
            DataError: no embedders, or noise on a coarse grid.
        """
        from unlearn.crafting import cloaking, embedding  # torch stays out of recipe checks

        embedding.need_embedders(problem, "opom")
        cloaking.need_every_pixel(problem, "opom")
        groups = cloaking.people(problem)
        noise = cloaking.craft(problem, groups, self.steps, lambda group, tick: self._mask(problem, group, tick))
        return problem.perturbation(noise)

    def _mask(self, problem: Problem, group: Group, tick: Tick) -> Tensor:
        """The mask of one person, shape (1, C, H, W)."""
        import torch

        from unlearn import randomness, training
        from unlearn.crafting import embedding

        clean = training.to_float(problem.batches.images[group.index])
        draws = randomness.uniform(problem.seed, "start", 0, problem.batches.keys[group.index], tuple(clean.shape[1:]))
        photos = (clean + (2 * draws - 1) * problem.epsilon).clamp(0.0, 1.0)
        pulls = [self._pull(features) for features in embedding.clean_features(problem, group.index)]
        mask, gathered = torch.zeros_like(clean[:1]), torch.zeros_like(clean)
        for step in range(self.steps):
            tick()

            def objective(places: Tensor, noisy: Tensor, step: int = step) -> Tensor:
                found = embedding.features(problem, noisy)
                pulled = [pull(f, step, places) for f, pull in zip(found, pulls, strict=True)]
                return torch.stack(pulled).sum(0)[:, None]

            _, gradient = embedding.descend(problem, photos, objective)
            gathered = self._direction(gathered, gradient)
            moved = photos - self.step_size * gathered.sign()
            mask = (moved - clean).mean(0, keepdim=True).clamp(-problem.epsilon, problem.epsilon)
            photos = (clean + mask).clamp(0.0, 1.0)
        return mask

    def _direction(self, gathered: Tensor, gradient: Tensor) -> Tensor:
        """Whose signs the photos follow: the mean gradient's, or those of each photo's own sum of unit gradients."""
        if self.momentum is None:
            return gradient.mean(0, keepdim=True).expand_as(gradient)
        size = gradient.abs().mean((1, 2, 3), keepdim=True).clamp(min=1e-12)
        return self.momentum * gathered + gradient / size

    def _pull(self, clean: Tensor) -> Pull:
        """(features (b, D), step, places (b,)) -> what a step makes smaller, (b,); clean features (n, D)."""
        from unlearn.crafting import hulls

        center, affine, convex = clean.mean(0), hulls.affine(clean), hulls.convex(clean)
        nearest = {
            "fi": lambda y, step, places: clean[places],
            "class_center": lambda y, step, places: center.expand_as(y),
            "affine_hull": lambda y, step, places: affine(y),
            "convex_hull": lambda y, step, places: convex(y) if step >= OUTSIDE_AFTER else center.expand_as(y),
        }
        if self.variant == "fi_plus":
            return lambda y, step, places: y @ center
        point = nearest[self.variant]
        return lambda y, step, places: -((y - point(y.detach(), step, places)) ** 2).sum(1)
