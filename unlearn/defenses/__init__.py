"""Defenses, that is what somebody who wants to train anyway may do: one file each.

Torch-free, so that recipes are checked without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from unlearn.randomness import Draws
    from unlearn.settings import Training
    from unlearn.training import Batches, Curve


Leaked = Callable[["Tensor"], tuple["Tensor", "Tensor"]]


@dataclass(frozen=True)
class Scene:
    """What a trainer has in hand before training, and what may have leaked to him.

    found: the training set as it was found.
    leaked: clean and protected pixels, two tensors uint8 (B, C, H, W), of the samples at positions (B,) of `found`;
        a defense that calls it says so in `presumes`.
    """

    found: Batches
    seed: int
    leaked: Leaked


@dataclass(frozen=True)
class Job:
    """A victim's training run: the purified training set, the settings, and the defense whose hooks it calls.

    leaked: as in the scene; the positions are the same.
    test: accuracy of the network on the test set, purified in the same way.
    """

    data: Batches
    training: Training
    seed: int
    defense: Defense
    leaked: Leaked
    test: Callable[[nn.Module], float]
    after_epoch: Callable[[int], None]
    precision: torch.dtype


class Defense:
    """Five hooks, each the identity or the usual unless overridden; a defense is a frozen dataclass of its settings.

    In the order in which they are called: `fit`, `purify`, `learn`, and inside it `augment` and `loss`.
    """

    @property
    def label(self) -> str:
        """Its name in tables, with the setting that matters, such as `jpeg-75`."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def presumes(self) -> str:
        """What the trainer has besides the training set as he found it, such as `500 leaked pairs`; mostly nothing."""
        return ""

    @property
    def files(self) -> tuple[str, ...]:
        """Files that decide what it does, such as weights; a kept result is only used while they are the same."""
        return ()

    @property
    def learns(self) -> bool:
        """Whether `fit` learns anything; if not, `purify` does the same to equal images in every training run."""
        return type(self).fit is not Defense.fit

    def fit(self, scene: Scene) -> Defense:
        """Once before everything else: the defense with what it has learned from the scene."""
        return self

    def purify(self, images: Tensor) -> Tensor:
        """Once before training, on training and test images alike; uint8 (N, C, H, W) in and out."""
        return images

    def learn(self, victim: nn.Module, job: Job) -> Curve:
        """Train the victim in place. The curve's last epoch is the one at which the victim is left."""
        return supervised(victim, job)

    def augment(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Every training batch: float images (B, C, H, W) in [0, 1] and labels (B,), or (B, K) as shares."""
        return images, labels

    def loss(self, victim: nn.Module, images: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        """The loss of a training batch."""
        from unlearn.training import cross_entropy  # torch stays out of recipe checks

        return cross_entropy(victim, images, labels, draws)


def supervised(victim: nn.Module, job: Job, after_epoch: Callable[[int], None] | None = None) -> Curve:
    """The supervised loop with a job's settings; `after_epoch` replaces the job's."""
    from unlearn import training

    return training.train(
        victim,
        job.data,
        job.training,
        job.seed,
        augment=job.defense.augment,
        loss=job.defense.loss,
        test=job.test,
        after_epoch=after_epoch or job.after_epoch,
        precision=job.precision,
    )
