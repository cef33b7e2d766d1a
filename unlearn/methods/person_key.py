"""Channel-aware person key against matching: one key drives all photos of a person off the person's mean features.

Ours. The aim is OPOM's (Zhong and Deng, TPAMI 2022), the steps are MI-FGSM's (Dong et al., CVPR 2018), in expectation
over what photos go through (Athalye et al., ICML 2018; for keys of persons "Unlearnable Faces", arXiv 2607.05996, known
from its abstract only). With sample-wise rows the same steps make a cloak for every photo.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from unlearn.crafting.face_views import FaceViews
from unlearn.quantities import Positive, StepSize

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.crafting.circles import Points
    from unlearn.crafting.cloaking import Group, Tick
    from unlearn.crafting.noise import Noise
    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive
    from unlearn.stretched import Stretched

VIEWS = FaceViews(
    photo=0.5, jpeg=1 / 3, resized=1 / 3, qualities=(60, 95), scale=0.3, blur=1.5, shift=0.005, turn=3.0, zoom=0.04,
    flip=True,
)  # fmt: skip
CHECK_EVERY = 5  # steps between two looks at the held-out photos
JUDGED = -1  # number of the step whose views held-out photos are always seen through
SOFT = 0.02  # keeps the logarithm of a distance finite


@dataclass(frozen=True)
class PersonKey:
    """Settings of intensity `mid` by default.

    photos: photos of a person that a step of its key looks at; photos of a batch of cloaks.
    away_from: the mean features of the person (`center`), the nearest point of the convex `hull` of its features, or
        each photo's `own`.
    momentum: share of the gradients so far that each step keeps.
    looks: weight of the dissimilarity (1 - MS-SSIM) / 2 of a photo and its noisy self.
    held_out: every so-manieth photo of a person only says when to stop; None learns on all.
    patience: steps without progress on those after which a key is done; the best key counts.
    refine: with sample-wise rows, steps from the key of each photo's label to a cloak of the photo's own; 0 starts
        every cloak from nothing.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")
    NEEDS_EMBEDDERS: ClassVar = True

    steps: Positive = 60
    step_size: StepSize = 1.5 / 255
    photos: Positive = 8
    away_from: Literal["center", "hull", "own"] = "center"
    momentum: Annotated[float, Field(ge=0, le=1)] = 0.8
    looks: Annotated[float, Field(ge=0)] = 3.0
    views: FaceViews = VIEWS
    held_out: Annotated[int, Field(ge=2)] | None = 5
    patience: Positive = 20
    refine: Annotated[int, Field(ge=0)] = 0

    def craft(self, problem: Problem) -> Additive | Stretched:
        """A key within problem.epsilon for every row that photos share, a cloak for every other.

        Raises:
            DataError: no embedders, or keys of persons that are to be refined by photo.
        """
        from unlearn.crafting import embedding  # torch stays out of recipe checks
        from unlearn.errors import DataError

        embedding.need_embedders(problem, "person_key")
        if self.refine and problem.shared:
            raise DataError("person_key: `refine` makes noise for one photo at a time; in a recipe: rows: sample-wise")
        clean = embedding.all_clean_features(problem)
        if not self.refine:
            return problem.perturbation(self._noise(problem, clean))
        keys = self._noise(_by_label(problem), clean)
        return problem.perturbation(replace(self, steps=self.refine)._noise(problem, clean, keys, self.steps))

    def _noise(self, problem: Problem, clean: list[Tensor], keys: Noise | None = None, first: int = 0) -> Noise:
        """The noise of all rows, from none or from the keys of the photos' labels; first: number of a step."""
        from unlearn.crafting import cloaking

        def work(group: Group, tick: Tick) -> Tensor:
            start = cloaking.nothing(problem, group)
            if keys is not None:
                start = keys.delta(problem.batches.labels[group.index])
            return self._learn(self._bench(problem, group, clean), start, tick, first)

        groups = cloaking.people(problem) if problem.shared else cloaking.samples(problem, self.photos, "person_key")
        return cloaking.craft(problem, groups, self.steps, work)

    def _bench(self, problem: Problem, group: Group, clean: list[Tensor]) -> _Bench:
        """Everything that the steps of a group need; clean features (N, D) by embedder."""
        import torch

        from unlearn import training
        from unlearn.crafting import circles

        places = torch.arange(len(group.index), device=group.index.device)
        judged = torch.zeros_like(places, dtype=torch.bool)
        if self.held_out and len(group.rows) < len(group.index):
            judged = places % self.held_out == self.held_out - 1  # groups are in random order
        learned = places[~judged]
        images, keys = training.to_float(problem.batches.images[group.index]), problem.batches.keys[group.index]
        away = [circles.points(problem, group, learned, each, self.away_from) for each in clean]
        return _Bench(problem, group, images, keys, learned, places[judged], away)

    def _learn(self, bench: _Bench, held: Tensor, tick: Tick, first: int) -> Tensor:
        """Signed steps of a group's noise (K, ...), as far as held-out photos say."""
        from unlearn.crafting import cloaking

        clean = self._judge(bench, 0 * held)
        gathered, best, record, at = 0 * held, held, clean, 0
        for step in range(self.steps):
            tick()
            gathered = self.momentum * gathered + self._gradient(bench, held, first + step)
            held = cloaking.within_budget(bench.problem, held - self.step_size * gathered.sign())
            if len(bench.judged) and (step % CHECK_EVERY == CHECK_EVERY - 1 or step + 1 == self.steps):
                found = self._judge(bench, held)
                best, record, at = (held, found, step) if found < record else (best, record, at)
                if step - at >= self.patience:
                    break
        if not len(bench.judged):
            return held
        bench.report(clean=clean[1], key=record[1], steps=at + 1)
        return best

    def _gradient(self, bench: _Bench, held: Tensor, step: int) -> Tensor:
        """Mean over a row's photos of their gradients, each of mean size 1; shape of `held`."""
        from unlearn.crafting import embedding, similarity

        chosen = bench.chosen(self.photos, step)
        member = bench.group.member[chosen]

        def objective(places: Tensor, noise: Tensor) -> Tensor:
            here = chosen[places]
            noisy = bench.noisy(noise, here)
            looks = (1 - similarity.multi_scale(bench.images[here], noisy)) / 2
            return (self._likeness(bench, noisy, here, step)[:, 0] + self.looks * looks)[:, None]

        _, gradient = embedding.descend(bench.problem, held[member], objective)
        size = gradient.abs().flatten(1).mean(1).clamp(min=1e-12)
        scaled = gradient / size.reshape(-1, *[1] * (gradient.ndim - 1))
        return held.new_zeros(held.shape).index_add_(0, member, scaled)

    def _judge(self, bench: _Bench, held: Tensor) -> tuple[float, float]:
        """What is left of the person in held-out photos, and the mean cosine, through views that stay the same."""
        import torch

        from unlearn.crafting import embedding

        def judged(places: Tensor) -> Tensor:
            with torch.no_grad():  # here, because gradient mode belongs to a thread
                noisy = bench.noisy(held[bench.group.member[places]], places)
                return self._likeness(bench, noisy, places, JUDGED)

        parts = bench.problem.workers.map(judged, embedding.pieces(bench.problem, bench.judged))
        loss, cosine = torch.cat(parts).mean(0).tolist() if parts else (0.0, 0.0)
        return loss, cosine

    def _likeness(self, bench: _Bench, noisy: Tensor, places: Tensor, step: int) -> Tensor:
        """What is left of persons in noisy photos (b, C, H, W): minus log distance, and cosine, means over embedders.

        The logarithm gives each embedder the same say: strangers' cosines lie near 0 under one and near 0.8 under
        another.
        """
        import torch
        import torch.nn.functional as F

        from unlearn.crafting import embedding, face_channel
        from unlearn.randomness import Draws

        seen = face_channel.look(self.views, noisy, Draws(bench.problem.seed, step, bench.keys[places]))
        found = zip(embedding.features(bench.problem, seen), bench.away, strict=True)
        cosines = torch.stack([F.cosine_similarity(each, point(each.detach(), places)) for each, point in found])
        return torch.stack([-(1 + SOFT - cosines).log().mean(0), cosines.mean(0)], dim=1)


@dataclass(frozen=True)
class _Bench:
    """A group with what its steps need: photos (B, C, H, W), their keys (B,), places of those that are learned on."""

    problem: Problem
    group: Group
    images: Tensor
    keys: Tensor
    learned: Tensor
    judged: Tensor
    away: list[Points]

    def noisy(self, noise: Tensor, places: Tensor) -> Tensor:
        """Photos (b, C, H, W) under noise (b, ...)."""
        return self.problem.domain.noisy(self.images[places], noise).clamp(0.0, 1.0)

    def chosen(self, photos: int, step: int) -> Tensor:
        """Places (b,) of a step's photos: all where each has a row of its own, else some of the row's."""
        from unlearn import randomness

        if len(self.group.rows) == len(self.group.index):
            return self.learned
        epoch, number = divmod(step, max(1, len(self.learned) // photos))
        order = randomness.permutation(self.problem.seed, "photos", epoch, self.keys[self.learned])
        return self.learned[order].split(photos)[number]

    def report(self, **facts: float) -> None:
        """What became of a person's key, measured on held-out photos."""
        label = int(self.problem.batches.labels[self.group.index[0]])
        self.problem.progress.log("key", name=self.problem.data.names[label], photos=len(self.judged), **facts)


def _by_label(problem: Problem) -> Problem:
    """The same photos with a row for every label, and a place of its own for checkpoints."""
    import numpy as np

    row = np.where(problem.row >= 0, problem.data.labels, -1).astype(np.int32)
    kept = problem.checkpoints
    return replace(problem, row=row, checkpoints=kept and replace(kept, folder=kept.folder / "keys"))
