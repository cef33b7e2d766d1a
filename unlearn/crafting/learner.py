"""The surrogate's half of a bi-level loop: its steps on noisy images, its restarts, and its error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from unlearn import mixed_precision, randomness, training
from unlearn.crafting import channel
from unlearn.crafting import noise as noises
from unlearn.crafting.problem import Problem
from unlearn.crafting.schedule import Cursor, Schedule
from unlearn.crafting.threaded import threaded
from unlearn.crafting.views import Views
from unlearn.settings import Training

if TYPE_CHECKING:
    from unlearn.crafting.alternate import Objective


class Bench(Protocol):
    """What this half works on, the same in every process."""

    @property
    def problem(self) -> Problem: ...

    @property
    def schedule(self) -> Schedule: ...

    @property
    def objective(self) -> Objective: ...

    @property
    def views(self) -> Views: ...

    @property
    def noise(self) -> noises.Given: ...

    @property
    def network(self) -> nn.Module: ...

    @property
    def optim(self) -> torch.optim.SGD: ...


def steps(bench: Bench, cursor: Cursor, pause: Callable[[Cursor], None]) -> Cursor:
    """The surrogate's steps of a round, from wherever the cursor stands in it; `pause` is called after each.

    Raises:
        WorkersError: when processes disagree about the surrogate.
    """
    problem, schedule, number = bench.problem, bench.schedule, cursor.round + 1
    count = schedule.surrogate_steps(len(problem.data))
    if schedule.restart and cursor.trained == 0 and cursor.round and cursor.round % schedule.restart == 0:
        _restart(bench, cursor.round // schedule.restart)
    task = problem.progress.task(f"round {number}: surrogate", count)
    with task as advance, threaded(problem.workers):
        for step in range(cursor.trained, count):
            _learn(bench, cursor.round * count + step)
            cursor = replace(cursor, trained=step + 1)
            advance(1)
            pause(cursor)
    problem.workers.agree(bench.network)
    return cursor


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
    if bench.schedule.rate == "cosine":
        bench.optim.param_groups[0]["lr"] = _cosine(bench, step)
    with mixed_precision.autocast(problem.workers.device, problem.precision):
        loss = bench.objective.surrogate_loss(bench.network, images, data.labels[index], draws)
    training.update(bench.network, bench.optim, loss, problem.surrogate.sgd.clip)


def _cosine(bench: Bench, step: int) -> float:
    total = bench.schedule.max_rounds * bench.schedule.surrogate_steps(len(bench.problem.data))
    return training.learning_rate(Training(sgd=bench.problem.surrogate.sgd, schedule="cosine"), step, total)


def _training_batch(bench: Bench, step: int) -> Tensor:
    keys, schedule = bench.problem.batches.keys, bench.schedule
    epoch, number = divmod(step, schedule.batches(len(keys)))
    return randomness.permutation(bench.problem.seed, "surrogate", epoch, keys).split(schedule.batch_size)[number]


def _noisy(bench: Bench, index: Tensor) -> Tensor:
    images = training.to_float(bench.problem.batches.images[index])
    return bench.problem.domain.noisy(images, bench.noise.delta(bench.problem.row_on_device[index])).clamp(0.0, 1.0)


def error(bench: Bench, frozen: nn.Module, tasks: Sequence[Tensor]) -> float:
    """The surrogate's error, in evaluation mode, on noisy samples: those at the positions (B,) of each task."""
    workers = bench.problem.workers
    mine = workers.deal(len(tasks))[workers.rank]

    @torch.no_grad()  # on the function, because gradient mode belongs to a thread
    def wrong(index: Tensor) -> Tensor:
        with mixed_precision.autocast(workers.device, bench.problem.precision):
            predicted = frozen(channel.whole(bench.views, _noisy(bench, index))).argmax(1)
        return (predicted != bench.problem.batches.labels[index]).sum()

    misses = workers.map(wrong, tasks[mine.start : mine.stop])
    # One number for all tasks, because reading a number from a device waits for it.
    return workers.total(int(torch.stack(misses).sum()) if misses else 0) / sum(len(task) for task in tasks)
