"""Early stopping: the victim is left at the epoch with the best accuracy on images kept out of training.

Networks learn a shortcut and the pictures at different speeds, so an early epoch may be better than the last one
(Sandoval-Segura et al., 2022). It presumes clean images to choose by: `clean` takes the clean originals of the
validation share; without it the share is validated as it was found, which presumes nothing and sees little, because a
shortcut is right on protected images too. The curve ends at the chosen epoch; the schedule is the full run's. An
audit's peak accuracy is the bound that a choice by the test set itself would give.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

from unlearn.defenses import Defense, Job, supervised
from unlearn.quantities import parse

if TYPE_CHECKING:
    from torch import Tensor, nn

    from unlearn.training import Curve


@dataclass(frozen=True)
class EarlyStopping(Defense):
    """share: of the training set that is kept out; clean: whether its clean originals are what is validated on."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    share: Annotated[float, BeforeValidator(parse), Field(gt=0, lt=1)] = 0.05
    clean: bool = True

    @property
    def label(self) -> str:
        return f"early_stopping-{'clean' if self.clean else 'found'}"

    @property
    def presumes(self) -> str:
        return f"clean originals of {self.share:.0%} of the training set" if self.clean else ""

    def learn(self, victim: nn.Module, job: Job) -> Curve:
        """Train on the rest, and go back to the best epoch; the earliest of several."""
        from unlearn import training  # torch stays out of recipe checks

        held, kept = self._split(job)
        data = job.data
        images = job.defense.purify(job.leaked(held)[0]) if self.clean else training.part(data, held).images
        best: dict[str, Any] = {"score": -1.0}

        def after(epoch: int) -> None:
            score = training.accuracy(victim, images, data.labels[held])
            if score > best["score"]:
                state = {name: value.clone() for name, value in victim.state_dict().items()}
                best.update(score=score, epoch=epoch, state=state)
            job.after_epoch(epoch)

        rest = training.part(data, kept)
        curve = supervised(victim, replace(job, data=rest), after)
        victim.load_state_dict(best["state"])
        return training.Curve(curve.train[: best["epoch"] + 1], curve.test[: best["epoch"] + 1])

    def _split(self, job: Job) -> tuple[Tensor, Tensor]:
        """Positions that are kept out, at least one, and the others."""
        from unlearn import randomness

        order = randomness.permutation(job.seed, "validation", 0, job.data.keys)
        count = max(1, round(self.share * len(order)))
        return order[:count], order[count:].sort().values
