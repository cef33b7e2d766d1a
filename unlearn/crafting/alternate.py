"""THE bi-level loop: the surrogate learns on the noise, the noise moves on the surrogate, round after round.

Huang et al., ICLR 2021, Algorithm 1. Deviations from the released code: images plus noise are clipped to
[0, 1] in both halves; surrogate batches are shuffled; a cap and a plateau rule end it; noise is kept on a grid.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearn import randomness, training
from unlearn.crafting import channel, passes
from unlearn.crafting import noise as noises
from unlearn.crafting.folding import folded
from unlearn.crafting.problem import Problem
from unlearn.crafting.schedule import Cursor, Schedule
from unlearn.crafting.views import Views
from unlearn.errors import Interrupted
from unlearn.perturbation import Additive
from unlearn.pgd import PGD
from unlearn.stretched import Stretched


@dataclass(frozen=True)
class Objective:
    """What the two halves minimize or maximize.

    descent: +1 moves the noise down the loss (min-min), -1 up (min-max).
    goal: whether the surrogate's error on noisy images is to fall to the stop error, or to rise to it.
    """

    descent: float
    goal: Literal["fall", "rise"]
    surrogate_loss: training.Loss = training.cross_entropy


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
        cursor = _resume(bench)
        if cursor is None:
            _start(bench, prepare)
            cursor = Cursor()
        while (reason := cursor.stopped(schedule, objective.goal)) is None:
            cursor = _round(bench, cursor)
        problem.progress.log("stopped", reason=reason, rounds=cursor.round, error=cursor.errors[-1])
        return problem.perturbation(bench.noise)


def _bench(problem: Problem, pgd: PGD, schedule: Schedule, objective: Objective, views: Views) -> Bench:
    network = problem.network()
    optim = training.optimizer(network, problem.surrogate.sgd)
    return Bench(problem, pgd, schedule, objective, views, _empty_noise(problem, pgd), network, optim)


def _empty_noise(problem: Problem, pgd: PGD) -> noises.Noise:
    shape = problem.domain.shape(tuple(problem.data.images.shape[1:]))
    if problem.shared:
        zeros = torch.zeros(problem.rows, *shape, device=problem.workers.device)
        return noises.Shared(zeros, problem.epsilon)
    return noises.grid(problem.rows, shape, problem.epsilon, pgd.step_size, problem.storage())


def _start(bench: Bench, prepare: Callable[[nn.Module], None]) -> None:
    if bench.pgd.random_start:
        noises.randomize(bench.noise, bench.problem.row_keys(), bench.problem.seed, bench.problem.epsilon)
    prepare(bench.network)


def _round(bench: Bench, cursor: Cursor) -> Cursor:
    """One round from wherever the cursor stands in it."""
    problem, schedule = bench.problem, bench.schedule
    number = cursor.round + 1
    if schedule.restart and cursor.trained == 0 and cursor.round and cursor.round % schedule.restart == 0:
        _restart(bench, cursor.round // schedule.restart)
    with problem.progress.task(f"round {number}: surrogate", schedule.train_steps) as advance:
        for step in range(cursor.trained, schedule.train_steps):
            _learn(bench, cursor.round * schedule.train_steps + step)
            cursor = replace(cursor, trained=step + 1)
            advance(1)
            _pause(bench, cursor)
    problem.workers.agree(bench.network)
    frozen = folded(bench.network)
    batches = passes.batches(problem, schedule, cursor.round)
    with problem.progress.task(f"round {number}: noise", len(batches)) as advance:
        for done, chunk in passes.chunks(problem, batches, cursor.moved):
            _move(bench, frozen, chunk, cursor.round)
            advance(done - cursor.moved)
            cursor = replace(cursor, moved=done)
            _pause(bench, cursor)
    error = _error(bench, frozen, [task for batch in batches for task in batch])
    problem.progress.log("round", round=number, error=error)
    return Cursor(round=number, errors=(*cursor.errors, error))


def _restart(bench: Bench, restarts: int) -> None:
    """New weights in the old network, which the optimizer holds; its momentum is forgotten."""
    bench.network.load_state_dict(bench.problem.network(restarts).state_dict())
    bench.optim.state.clear()


def _learn(bench: Bench, step: int) -> None:
    """One surrogate step on images plus noise; the batch depends on the step's number only."""
    problem, data = bench.problem, bench.problem.batches
    index = _training_batch(bench, step)
    draws = randomness.Draws(problem.seed, step, data.keys[index])
    images = channel.look(bench.views, _noisy(bench, index), draws)
    bench.network.train()
    with training.autocast(problem.workers.device, problem.precision):
        loss = bench.objective.surrogate_loss(bench.network, images, data.labels[index], draws)
    training.update(bench.network, bench.optim, loss, problem.surrogate.sgd.clip)


def _training_batch(bench: Bench, step: int) -> Tensor:
    keys, size = bench.problem.batches.keys, bench.schedule.batch_size
    epoch, number = divmod(step, max(1, len(keys) // size))
    return randomness.permutation(bench.problem.seed, "surrogate", epoch, keys).split(size)[number]


def _noisy(bench: Bench, index: Tensor) -> Tensor:
    images = training.to_float(bench.problem.batches.images[index])
    return bench.problem.domain.noisy(images, bench.noise.delta(bench.problem.row_on_device[index])).clamp(0.0, 1.0)


def _move(bench: Bench, frozen: nn.Module, chunk: Sequence[Tensor], round_: int) -> None:
    """Deal the tasks to the processes, exchange the moved noise and store it."""
    workers, index = bench.problem.workers, torch.cat(list(chunk))
    moved = torch.empty(
        (len(index), *bench.noise.values.shape[1:]), dtype=bench.noise.values.dtype, device=workers.device
    )
    ends = [0, *accumulate(len(task) for task in chunk)]
    shares = workers.deal(len(chunk))
    mine = shares[workers.rank]
    if mine:
        parts = workers.map(lambda task: _stepped(bench, frozen, task, round_), chunk[mine.start : mine.stop])
        moved[ends[mine.start] : ends[mine.stop]] = torch.cat(parts)
    workers.share(moved, [range(ends[share.start], ends[share.stop]) for share in shares])
    bench.noise.store(bench.problem.row_on_device[index], moved)


def _stepped(bench: Bench, frozen: nn.Module, index: Tensor, round_: int) -> Tensor:
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
        with training.autocast(problem.workers.device, problem.precision):
            # A sum, so that a sample's gradient does not depend on the size of its batch.
            loss = F.cross_entropy(frozen(seen), labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, held)
        size = bench.objective.descent * bench.pgd.step_size
        held = domain.project(held.detach() - size * gradient.sign(), images, problem.epsilon)
    return bench.noise.encode(held)


def _error(bench: Bench, frozen: nn.Module, tasks: Sequence[Tensor]) -> float:
    """The surrogate's error, in evaluation mode, on the noisy samples that were moved."""
    workers = bench.problem.workers
    mine = workers.deal(len(tasks))[workers.rank]

    @torch.no_grad()  # on the function, because gradient mode belongs to a thread
    def wrong(index: Tensor) -> int:
        predicted = frozen(channel.whole(bench.views, _noisy(bench, index))).argmax(1)
        return int((predicted != bench.problem.batches.labels[index]).sum())

    misses = workers.map(wrong, tasks[mine.start : mine.stop])
    return workers.total(sum(misses)) / sum(len(task) for task in tasks)


def _pause(bench: Bench, cursor: Cursor) -> None:
    """Between two pieces of work: checkpoint when it is time, and leave when a stop was requested."""
    problem, stop = bench.problem, bench.problem.workers.stop_requested()
    if problem.workers.main and problem.checkpoints and (stop or problem.checkpoints.due()):
        problem.checkpoints.save(cursor, bench.noise.values, bench.network, bench.optim)
    if stop:
        kept = " with a checkpoint; the same command goes on from it" if problem.checkpoints else ""
        raise Interrupted(f"stopped in round {cursor.round + 1}{kept}")


def _resume(bench: Bench) -> Cursor | None:
    """The newest checkpoint, loaded by every process by itself."""
    if bench.problem.checkpoints is None:
        return None
    cursor = bench.problem.checkpoints.load(bench.noise.values, bench.network, bench.optim)
    if cursor:
        bench.problem.progress.log("resumed", round=cursor.round + 1, trained=cursor.trained, moved=cursor.moved)
    return cursor
