"""Unlearnable clusters (UC), which need no labels. Zhang et al., CVPR 2023, section 3, equations 4 and 5.

Images are clustered by their features; the images of a cluster share noise that moves their features to the center of
the next one. Deviations: the noise itself is moved, in signed steps that its members average, where the paper trains
a generator for each cluster; it moves on the cluster's own members, where the released code takes all images. The paper
takes features of a ResNet-50 that has seen ImageNet, or of CLIP: name a file in `weights` for such ones. Without a
file a surrogate learns to tell by how many quarter turns an image is rotated (Gidaris et al., ICLR 2018), which needs
no labels either and yields coarser clusters. The mean over members depends on the batch size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.pgd import PGD
from unlearn.quantities import Positive
from unlearn.settings import Training

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.crafting.features import Features
    from unlearn.crafting.noise import Noise
    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive
    from unlearn.stretched import Stretched


@dataclass(frozen=True)
class UC:
    """The paper's ten clusters and next center by default.

    clusters: rows of noise, whatever the recipe says about rows.
    offset: the center that a cluster is moved to is so many further.
    pgd: steps on each batch, passes over the data.
    weights: safetensors of the surrogate's network; without them it learns on the images, as `pretrain` says.
    size: side in pixels to which images are scaled for the network; None for their own.
    normalize: whether the network expects images normalized as for ImageNet.
    batch_size: images whose steps are averaged.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    pgd: PGD = PGD(1 / 255, 1)
    passes: Positive = 50
    clusters: Annotated[int, Field(ge=2)] = 10
    offset: Positive = 1
    weights: str | None = None
    size: Positive | None = None
    normalize: bool = False
    pretrain: Training = Training()
    batch_size: Positive = 256

    def craft(self, problem: Problem) -> Additive | Stretched:
        """Noise within problem.epsilon, one row a cluster.

        Raises:
            DataError: fewer samples than clusters, an offset that leads clusters to themselves, or unreadable weights.
            Interrupted: after a stop request, with a checkpoint if there is a place for one.
        """
        from unlearn.crafting import clusters, ensemble  # torch stays out of recipe checks
        from unlearn.errors import DataError

        index = (problem.row_on_device >= 0).nonzero()[:, 0]
        if len(index) < self.clusters or self.offset % self.clusters == 0:
            raise DataError(
                f"uc: {len(index)} samples and an offset of {self.offset} for {self.clusters} clusters; "
                "there must be as many samples, and the offset must lead to another cluster"
            )
        features = self._features(problem)
        with problem.workers.pinned():
            index = index[problem.batches.keys[index].argsort()]  # the data may be stored in any order
            found = ensemble.features(problem, features, index)
            member, centers = clusters.k_means(found, self.clusters, problem.seed)
            row = problem.row.copy()
            row[index.cpu().numpy()] = member.cpu().numpy()
            aims = centers.roll(-self.offset, 0).float().softmax(1)
            return self._moved(replace(problem, row=row), features, aims)

    def _features(self, problem: Problem) -> Features:
        from pathlib import Path

        from unlearn.crafting import features

        if self.weights is None:
            return features.rotations(problem, self.pretrain)
        return features.stored(problem, Path(self.weights).expanduser(), self.size, self.normalize)

    def _moved(self, problem: Problem, features: Features, aims: Tensor) -> Additive | Stretched:
        """Pass after pass over the samples; aims (clusters, D), each adding up to one."""
        import torch

        from unlearn.crafting import frozen, passes
        from unlearn.crafting import noise as noises
        from unlearn.crafting.schedule import Schedule

        shape = problem.domain.shape(tuple(problem.data.images.shape[1:]))
        zeros = torch.zeros(problem.rows, *shape, device=problem.workers.device)
        noise = noises.Shared(zeros, problem.epsilon)
        first, schedule = frozen.resumed(problem, noise), Schedule(pgd_batch_size=self.batch_size)
        a_pass = len(passes.batches(problem, schedule, 0))

        def stepped(index: Tensor) -> Tensor:
            return self._stepped(problem, noise, features, aims, index)

        with problem.progress.task("noise by uc", self.passes * a_pass - first) as advance:
            for number in range(first // a_pass, self.passes):
                batches = passes.batches(problem, schedule, number)
                for done in range(max(first, number * a_pass), (number + 1) * a_pass):
                    passes.move(problem, noise, batches[done % a_pass], stepped)
                    advance(1)
                    frozen.pause(problem, noise, done + 1)
        return problem.perturbation(noise)

    def _stepped(self, problem: Problem, noise: Noise, features: Features, aims: Tensor, index: Tensor) -> Tensor:
        """What samples at positions `index` (B,) ask of their rows, shape (B, ...) as the domain has it."""
        import torch
        import torch.nn.functional as F

        from unlearn import mixed_precision, training

        rows, domain = problem.row_on_device[index], problem.domain
        images = training.to_float(problem.batches.images[index])
        held = domain.project(noise.delta(rows), images, problem.epsilon)
        for _ in range(self.pgd.steps):
            held.requires_grad_()
            with mixed_precision.autocast(problem.workers.device, problem.precision):
                found = features(domain.noisy(images, held)).float()
            loss = F.kl_div(found.log_softmax(1), aims[rows], reduction="sum")
            (gradient,) = torch.autograd.grad(loss, held)
            held = domain.project(held.detach() - self.pgd.step_size * gradient.sign(), images, problem.epsilon)
        return held
