"""A surrogate trained on the clean images before any noise moves."""

from torch import nn

from unlearn import training
from unlearn.crafting.problem import Problem
from unlearn.errors import Interrupted
from unlearn.settings import Training


def train_surrogate(problem: Problem, network: nn.Module, settings: Training) -> None:
    """Train `network` in place on the problem's clean images, in every process alike.

    Raises:
        Interrupted: after a stop request; this phase is done again from its start.
    """
    with problem.progress.task("surrogate on clean images", settings.epochs) as advance:

        def after_epoch(epoch: int) -> None:
            advance(1)
            if problem.workers.stop_requested():
                raise Interrupted(f"stopped in epoch {epoch + 1} of the surrogate; nothing to resume yet")

        training.train(
            network,
            problem.batches,
            settings,
            problem.seed,
            after_epoch=after_epoch,
            precision=problem.precision,
        )
