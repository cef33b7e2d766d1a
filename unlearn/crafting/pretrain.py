"""A surrogate trained on the clean images before any noise moves."""

from collections.abc import Callable

from torch import nn

from unlearn import training
from unlearn.crafting.problem import Problem
from unlearn.crafting.threaded import threaded
from unlearn.errors import Interrupted
from unlearn.settings import Training


def train_surrogate(
    problem: Problem,
    network: nn.Module,
    settings: Training,
    after_epoch: Callable[[int], None] = lambda epoch: None,
    augment: training.Augment = lambda images, labels, draws: (images, labels),
) -> None:
    """Train `network` in place on the problem's clean images, in every process alike.

    Args:
        after_epoch: is told each finished epoch's number.
        augment: another task for the network: what becomes of a batch's images and labels.

    Raises:
        Interrupted: after a stop request; this phase is done again from its start.
    """
    task = problem.progress.task("surrogate on clean images", settings.epochs)
    with task as advance, threaded(problem.workers):

        def finished(epoch: int) -> None:
            advance(1)
            after_epoch(epoch)
            if problem.workers.stop_requested():
                raise Interrupted(f"stopped in epoch {epoch + 1} of the surrogate; nothing to resume yet")

        training.train(
            network,
            problem.batches,
            settings,
            problem.seed,
            augment=augment,
            after_epoch=finished,
            precision=problem.precision,
        )
