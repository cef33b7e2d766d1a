"""THE bi-level loop: the surrogate learns on the noise, the noise moves on the surrogate, round after round.

Huang et al., ICLR 2021, Algorithm 1. Deviations from the released code: images plus noise are clipped to
[0, 1] in both halves; surrogate batches are shuffled; a cap and a plateau rule end it; noise is kept on a grid.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearn import mixed_precision, randomness, training
from unlearn.crafting import channel, learner, passes
from unlearn.crafting import noise as noises
from unlearn.crafting.folding import folded
from unlearn.crafting.problem import Problem
from unlearn.crafting.schedule import Cursor, Schedule
from unlearn.crafting.views import Views
from unlearn.perturbation import Additive
from unlearn.pgd import PGD
from unlearn.stretched import Stretched


@dataclass(frozen=True)
class Seen:
    """One task of a noise step: what the surrogate sees (B, C, H, W), the noise, labels (B,) and random numbers."""

    images: Tensor
    noise: Tensor
    labels: Tensor
    draws: randomness.Draws


NoiseLoss = Callable[[nn.Module, Seen], Tensor]


def summed(surrogate: nn.Module, seen: Seen) -> Tensor:
    """Cross-entropy as a sum, so that a sample's gradient does not depend on the size of its batch."""
    return F.cross_entropy(surrogate(seen.images), seen.labels, reduction="sum")


@dataclass(frozen=True)
class Objective:
    """What the two halves minimize or maximize.

    descent: +1 moves the noise down the loss (min-min), -1 up (min-max).
    goal: whether the surrogate's error on noisy images is to fall to the stop error, or to rise to it; None where the
        surrogate does not classify or the paper fixes the number of rounds, which then alone ends the loop.
    frozen: what the surrogate is turned into for the noise steps of a round, given the precision.
    compares: whether the noise loss compares samples of a batch, which is then not split into tasks.
    before: what takes this one's place until more than half of the moved samples were predicted right once.
    """

    descent: float
    goal: Literal["fall", "rise"] | None
    surrogate_loss: training.Loss = training.cross_entropy
    noise_loss: NoiseLoss = summed
    frozen: Callable[[nn.Module, torch.dtype], nn.Module] = folded
    compares: bool = False
    before: "Objective | None" = None

    def at(self, errors: Sequence[float]) -> "Objective":
        """The objective after rounds that ended with these errors."""
        return self if self.before is None or min(errors, default=1.0) < 0.5 else self.before


MIN_MIN = Objective(descent=1.0, goal="fall")
MIN_MAX = Objective(descent=-1.0, goal="rise")


@dataclass(frozen=True)
class Bench:
    """Everything the loop works on, the same in every process."""

    problem: Problem
    pgd: PGD
    schedule: Schedule
    objective: Objective
    views: Views
    noise: noises.Noise
    network: nn.Module
    optim: torch.optim.SGD


def alternate(
    problem: Problem,
    pgd: PGD,
    schedule: Schedule,
    objective: Objective = MIN_MIN,
    prepare: Callable[[nn.Module], None] = lambda network: None,
    views: Views = Views(),
) -> Additive | Stretched:
    """Run the loop to its end and return the noise.

    Args:
        views: random views between the noisy images and the surrogate, in both halves.
        prepare: trains the surrogate beforehand, where a method wants that; skipped on resume.

    Raises:
        Interrupted: after a stop request, with a checkpoint written if there is a place for one.
        WorkersError: when processes disagree about the surrogate.
    """
    with problem.workers.pinned():
        bench = _bench(problem, pgd, schedule, objective, views)
        cursor = passes.resume(problem, bench.noise, bench.network, bench.optim)
        if cursor is None:
            _start(bench, prepare)
            cursor = Cursor()
        while (reason := cursor.stopped(schedule, objective.goal)) is None:
            cursor = _round(bench, cursor)
        error = {"error": cursor.errors[-1]} if objective.goal else {}
        problem.progress.log("stopped", reason=reason, rounds=cursor.round, **error)
        return problem.perturbation(bench.noise)


def _bench(problem: Problem, pgd: PGD, schedule: Schedule, objective: Objective, views: Views) -> Bench:
    network = problem.network()
    optim = training.optimizer(network, problem.surrogate.sgd, problem.precision)
    return Bench(problem, pgd, schedule, objective, views, problem.noise(pgd.step_size), network, optim)


def _start(bench: Bench, prepare: Callable[[nn.Module], None]) -> None:
    if bench.pgd.random_start:
        noises.randomize(bench.noise, bench.problem.row_keys(), bench.problem.seed, bench.problem.epsilon)
    prepare(bench.network)


def _round(bench: Bench, cursor: Cursor) -> Cursor:
    """One round from wherever the cursor stands in it."""
    bench = replace(bench, objective=bench.objective.at(cursor.errors))
    problem, schedule, number = bench.problem, bench.schedule, cursor.round + 1
    cursor = learner.steps(bench, cursor, partial(_pause, bench))
    frozen = bench.objective.frozen(bench.network, problem.precision)
    batches = passes.batches(problem, schedule, cursor.round, bench.objective.compares)
    with problem.progress.task(f"round {number}: noise", len(batches)) as advance:
        for done, chunk in passes.chunks(problem, batches, cursor.moved):
            passes.move(problem, bench.noise, chunk, partial(_stepped, bench, frozen, cursor.round))
            advance(done - cursor.moved)
            cursor = replace(cursor, moved=done)
            _pause(bench, cursor)
    tasks = [task for batch in batches for task in batch]
    error = learner.error(bench, frozen, tasks) if bench.objective.goal else 1.0
    problem.progress.log("round", round=number, **({"error": error} if bench.objective.goal else {}))
    return Cursor(round=number, errors=(*cursor.errors, error))


def _stepped(bench: Bench, frozen: nn.Module, round_: int, index: Tensor) -> Tensor:
    """PGD on samples at positions `index` (B,): the moved noise, encoded, shape (B, ...) as the domain has it."""
    problem, domain, keys = bench.problem, bench.problem.domain, bench.problem.batches.keys[index]
    images = training.to_float(problem.batches.images[index])
    labels = problem.batches.labels[index]
    held = domain.project(bench.noise.delta(problem.row_on_device[index]), images, problem.epsilon)
    for step in range(bench.pgd.steps):
        held.requires_grad_()
        # Numbers below zero: the surrogate's own steps draw from zero on.
        draws = randomness.Draws(problem.seed, -1 - round_ * bench.pgd.steps - step, keys)
        seen = channel.look(bench.views, domain.noisy(images, held), draws)
        with mixed_precision.autocast(problem.workers.device, problem.precision):
            loss = bench.objective.noise_loss(frozen, Seen(seen, held, labels, draws))
        (gradient,) = torch.autograd.grad(loss, held)
        size = bench.objective.descent * bench.pgd.step_size
        held = domain.project(held.detach() - size * gradient.sign(), images, problem.epsilon)
    return bench.noise.encode(held)


def _pause(bench: Bench, cursor: Cursor) -> None:
    place = f"in round {cursor.round + 1}"
    passes.pause(bench.problem, cursor, bench.noise, bench.network, bench.optim, place=place)
