"""LowKey, a cloak for every photo. Cherepanova et al., ICLR 2021, equation 1, with the settings of its released app.

Deviations: a weighted (1 - MS-SSIM) / 2 stands in for LPIPS, whose weights are a download; epsilon bounds every pixel
inside the loop, where the released form has no bound; on canvases of aligned faces, not on whole photos; other
embedders; the squared distances are summed, not averaged, over the components of a feature.
"""

from __future__ import annotations

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

BLUR, RADIUS = 3.0, 3  # a window of 7 pixels
START = 0.005


@dataclass(frozen=True)
class LowKey:
    """The released app's steps by default.

    looks: weight of the dissimilarity of the images beside the mean squared distance of the features.
    views: `all` the plain and the blurred photo, each with its mirror image, in every step as released; or one of the
        four `drawn` for every photo and step, at a quarter of the time.
    batch_size: photos that are worked on together.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    NEEDS_EMBEDDERS: ClassVar = True

    steps: Positive = 50
    step_size: StepSize = 0.0025
    looks: Annotated[float, Field(ge=0)] = 10.0
    views: Literal["all", "drawn"] = "all"
    batch_size: Positive = 8

    def craft(self, problem: Problem) -> Additive | Stretched:
        """A cloak within problem.epsilon for every photo; rows sample-wise.

        Raises:
            DataError: no embedders, or shared rows.
        """
        from unlearn.crafting import cloaking, embedding  # torch stays out of recipe checks

        embedding.need_embedders(problem, "lowkey")
        groups = cloaking.samples(problem, self.batch_size, "lowkey")
        noise = cloaking.craft(problem, groups, self.steps, lambda group, tick: self._cloak(problem, group, tick))
        return problem.perturbation(noise)

    def _cloak(self, problem: Problem, group: Group, tick: Tick) -> Tensor:
        """Noise of a group, shape (B, ...) as the domain has it, after signed steps up the objective."""
        import torch

        from unlearn import training
        from unlearn.crafting import cloaking, embedding, similarity
        from unlearn.randomness import Draws

        images = training.to_float(problem.batches.images[group.index])
        keys = problem.batches.keys[group.index]
        aims = embedding.clean_features(problem, group.index, mirrored=True)
        held = cloaking.random_start(problem, group, min(START, problem.epsilon))
        for step in range(self.steps):
            tick()
            draws = Draws(problem.seed, step, keys)
            chosen = torch.stack([draws.uniform("blurred"), draws.uniform("mirrored")]) < 0.5

            def objective(places: Tensor, mine: Tensor, chosen: Tensor = chosen) -> Tensor:
                noisy = problem.domain.noisy(images[places], mine).clamp(0.0, 1.0)
                seen = self._seen(problem, noisy, chosen[:, places])
                far = [((f - aim[places]) ** 2).sum(1) for view in seen for f, aim in zip(view, aims, strict=True)]
                looks = (1 - similarity.multi_scale(images[places], noisy)) / 2
                return (self.looks * looks - torch.stack(far).mean(0))[:, None]

            _, gradient = embedding.descend(problem, held, objective)
            held = problem.domain.project(held - self.step_size * gradient.sign(), images, problem.epsilon)
        return held

    def _seen(self, problem: Problem, noisy: Tensor, chosen: Tensor) -> list[list[Tensor]]:
        """Features of the views, each a list by embedder; chosen (2, B): blurred or not, mirrored or not."""
        import torch

        from unlearn.crafting import embedding
        from unlearn.crafting.blurring import blurred

        soft = blurred(noisy, noisy.new_full((len(noisy),), BLUR), RADIUS)
        if self.views == "all":
            return [embedding.flip_averaged(problem, view) for view in (noisy, soft)]
        blur, mirror = chosen[:, :, None, None, None]
        one = torch.where(blur, soft, noisy)
        return [embedding.features(problem, torch.where(mirror, one.flip(3), one))]
