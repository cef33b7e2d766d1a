"""How surrogate training and noise steps alternate, and when that ends; torch-free."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from unlearn.quantities import Positive, Rate, Share
from unlearn.settings import SGD


@dataclass(frozen=True)
class Schedule:
    """`train_steps` surrogate steps, then one pass of noise steps, round after round.

    The published loop has only `stop_error` and need not end; `max_rounds` and `patience` (rounds without
    progress of the error) end it in any case. `min_rounds` is for small surrogates, whose error is small long
    before the noise is a pattern that other networks learn too.

    `portion` is the share of the data, stratified by class, on which shared rows are moved and judged.
    `restart` gives the surrogate new weights every so many rounds. A surrogate that is trained on and on over few
    images learns them by heart, and noise that it no longer needs stops moving; what protects is noise that a
    network learns first. The published loop never restarts.

    `train_epochs` replaces `train_steps` by so many passes over the data; a pass leaves out what does not fill a last
    batch, other samples every time. `rate` lets the surrogate's learning rate fall to zero over `max_rounds` rounds.

    Batch sizes are part of the result: they are never derived from the number of processes or free memory.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    train_steps: Annotated[int, Field(ge=0)] = 10
    batch_size: Positive = 512
    pgd_batch_size: Positive = 512
    portion: Share = 1.0
    stop_error: Rate = 0.01
    min_rounds: Positive = 1
    max_rounds: Positive = 50
    patience: Positive = 15
    restart: Positive | None = None
    train_epochs: Positive | None = None
    rate: Literal["constant", "cosine"] = "constant"

    def surrogate_steps(self, samples: int) -> int:
        """Steps of the surrogate in a round over so many samples."""
        return self.train_epochs * self.batches(samples) if self.train_epochs else self.train_steps

    def batches(self, samples: int) -> int:
        """Batches in a pass of the surrogate."""
        return max(1, samples // self.batch_size)


@dataclass(frozen=True)
class Surrogate:
    """The network that the noise is crafted on, and how it learns."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    network: str = "resnet18"
    sgd: SGD = SGD()


@dataclass(frozen=True)
class Cursor:
    """Where the loop is: enough, with the tensors, to go on as if nothing had happened."""

    round: int = 0
    trained: int = 0
    moved: int = 0
    errors: tuple[float, ...] = ()

    def stopped(self, schedule: Schedule, goal: Literal["fall", "rise"] | None) -> str | None:
        """Why the loop is over, or None: `error` reached, `plateau`, or `max_rounds`."""
        if self.round < schedule.min_rounds:
            return None
        if goal is None:
            return "max_rounds" if self.round >= schedule.max_rounds else None
        sign = 1 if goal == "fall" else -1
        scores = [sign * error for error in self.errors]
        if scores[-1] <= sign * schedule.stop_error:
            return "error"
        if len(scores) - 1 - scores.index(min(scores)) >= schedule.patience:
            return "plateau"
        return "max_rounds" if self.round >= schedule.max_rounds else None
