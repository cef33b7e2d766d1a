"""A bi-level loop whose noise a generator writes: the surrogate learns on it, then the generator on the surrogate.

Both see a share of the images only. In the end one forward pass writes the noise of every image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from unlearn import mixed_precision, randomness, training
from unlearn.crafting import channel, frozen, generator, learner, passes
from unlearn.crafting import noise as noises
from unlearn.crafting.alternate import MIN_MIN, Objective
from unlearn.crafting.amortization import Generator
from unlearn.crafting.problem import ROWS, Problem
from unlearn.crafting.schedule import Cursor, Schedule
from unlearn.crafting.views import Views
from unlearn.datasets import stratified
from unlearn.perturbation import Additive
from unlearn.quantities import LEVELS
from unlearn.stretched import Stretched


@dataclass(frozen=True)
class Generated:
    """Noise as the generator writes it at the moment, for a problem with a row a sample."""

    problem: Problem
    network: generator.Network

    @cached_property
    def owner(self) -> Tensor:
        """The position of each row's sample, int64 (R,)."""
        return self.problem.row_on_device.argsort()[-self.problem.rows :]

    def delta(self, rows: Tensor) -> Tensor:
        """Noise in [0, 1] units, float32 (B, ...) as the domain has it, for rows (B,); zero where a row is -1."""
        with torch.no_grad():  # here, because gradient mode belongs to a thread
            return self.written(self.owner[rows.clamp(min=0)]) * (rows >= 0)[:, None, None, None]

    def written(self, index: Tensor) -> Tensor:
        """The same for samples at positions (B,), differentiable in the weights."""
        problem, data = self.problem, self.problem.batches
        images = training.to_float(data.images[index])
        with mixed_precision.autocast(problem.workers.device, problem.precision):
            found = self.network(images, data.labels[index])
        return problem.domain.project(problem.epsilon * found, images, problem.epsilon)


@dataclass(frozen=True)
class Bench:
    """Everything the loop works on, the same in every process; its problem is that of the share."""

    problem: Problem
    settings: Generator
    schedule: Schedule
    views: Views
    noise: Generated
    network: nn.Module
    optim: torch.optim.SGD
    adam: torch.optim.Adam
    objective: Objective = MIN_MIN


def amortize(
    problem: Problem, share: float, settings: Generator, schedule: Schedule, views: Views
) -> Additive | Stretched:
    """Run the loop on a share of the images to its end, then write every image's noise.

    Raises:
        DataError: shared rows.
        Interrupted: after a stop request, with a checkpoint written if there is a place for one.
        WorkersError: when processes disagree about a network.
    """
    frozen.need_own_rows(problem, "amortized")
    with problem.workers.pinned():
        bench, noise = _bench(problem, share, settings, schedule, views), problem.noise(1 / LEVELS)
        cursor = passes.resume(problem, noise, _both(bench), bench.optim, bench.adam) or Cursor()
        while (reason := cursor.stopped(schedule, "fall")) is None:
            cursor = _round(bench, noise, cursor)
        problem.progress.log("stopped", reason=reason, rounds=cursor.round, error=cursor.errors[-1])
        _write(bench, problem, noise, cursor)
        return problem.perturbation(noise)


def chosen(problem: Problem, share: float) -> NDArray[np.int64]:
    """Positions of a share of the protected samples, and of the others; by seed and ids, evenly over the classes."""
    groups = [np.flatnonzero(mask) for mask in (problem.row >= 0, problem.row < 0)]
    parts = [
        group[stratified(problem.data.take(group), max(1, round(share * len(group))), problem.seed)]
        for group in groups
        if len(group)
    ]
    return np.sort(np.concatenate(parts))


def _bench(problem: Problem, share: float, settings: Generator, schedule: Schedule, views: Views) -> Bench:
    index = chosen(problem, share)
    data = problem.data.take(index)
    part = replace(problem, data=data, row=ROWS["sample-wise"](data.labels, problem.row[index] >= 0))
    shape = tuple(data.images.shape[1:])
    writer = generator.build(settings, shape[0], problem.domain.shape(shape), data.classes, problem.seed)
    writer.to(problem.workers.device)
    network, adam = part.network(), torch.optim.Adam(writer.parameters(), settings.lr)
    optim = training.optimizer(network, problem.surrogate.sgd, problem.precision)
    return Bench(part, settings, schedule, views, Generated(part, writer), network, optim, adam)


def _round(bench: Bench, noise: noises.Noise, cursor: Cursor) -> Cursor:
    """One round from wherever the cursor stands in it."""
    problem, number, count = bench.problem, cursor.round + 1, bench.settings.passes
    pause = partial(_pause, bench, noise, f"in round {number}")
    cursor = learner.steps(bench, cursor, pause)
    still = bench.objective.frozen(bench.network, problem.precision)
    passed = [passes.batches(problem, bench.schedule, cursor.round * count + i) for i in range(count)]
    batches = [batch for each in passed for batch in each]
    with problem.progress.task(f"round {number}: generator", len(batches)) as advance:
        advance(cursor.moved)
        for done in range(cursor.moved, len(batches)):
            _learn(bench, still, cursor.round * len(batches) + done, batches[done])
            cursor = replace(cursor, moved=done + 1)
            advance(1)
            pause(cursor)
    problem.workers.agree(bench.noise.network)
    error = learner.error(bench, still, [task for batch in passed[0] for task in batch])
    problem.progress.log("round", round=number, error=error)
    return Cursor(round=number, errors=(*cursor.errors, error))


def _learn(bench: Bench, still: nn.Module, step: int, tasks: list[Tensor]) -> None:
    """One step of the generator down the surrogate's loss: gradients of tasks, dealt out, added up in their order."""
    workers, weights = bench.problem.workers, list(bench.noise.network.parameters())
    size, count = sum(len(task) for task in tasks), sum(weight.numel() for weight in weights)
    found = torch.empty(len(tasks), count, device=workers.device)
    shares = workers.deal(len(tasks))
    mine = shares[workers.rank]
    if mine:
        gradients = workers.map(partial(_gradient, bench, still, step), tasks[mine.start : mine.stop])
        found[mine.start : mine.stop] = torch.stack(gradients)
    workers.share(found, shares)
    for weight, part in zip(weights, (found.sum(0) / size).split([w.numel() for w in weights]), strict=True):
        weight.grad = torch.empty_like(weight).copy_(part.view_as(weight))
    bench.adam.step()


def _gradient(bench: Bench, still: nn.Module, step: int, index: Tensor) -> Tensor:
    """What positions `index` (B,) ask of all weights of the generator, summed, flat.

    The signs of the loss's gradient at the noise are carried back to the weights, not the gradient itself.
    """
    problem, data = bench.problem, bench.problem.batches
    images, written = training.to_float(data.images[index]), bench.noise.written(index)
    held = written.detach().requires_grad_()
    # Numbers below zero: the surrogate's own steps draw from zero on.
    draws = randomness.Draws(problem.seed, -1 - step, data.keys[index])
    seen = channel.look(bench.views, problem.domain.noisy(images, held), draws)
    with mixed_precision.autocast(problem.workers.device, problem.precision):
        loss = F.cross_entropy(still(seen), data.labels[index], reduction="sum")
    (gradient,) = torch.autograd.grad(loss, held)
    found = torch.autograd.grad(written, list(bench.noise.network.parameters()), gradient.sign())
    return torch.cat([each.flatten() for each in found])


def _write(bench: Bench, problem: Problem, noise: noises.Noise, cursor: Cursor) -> None:
    """Noise for every image of the whole problem, rounded."""
    source = Generated(problem, bench.noise.network)

    @torch.no_grad()  # on the function, because gradient mode belongs to a thread
    def written(index: Tensor) -> Tensor:
        return noise.encode(source.written(index))

    batches = passes.batches(problem, replace(bench.schedule, portion=1.0), 0)
    with problem.progress.task("noise", len(batches)) as advance:
        for done, chunk in passes.chunks(problem, batches, cursor.moved):
            passes.move(problem, noise, chunk, written)
            advance(done - cursor.moved)
            cursor = replace(cursor, moved=done)
            _pause(bench, noise, "while writing noise", cursor)


def _both(bench: Bench) -> nn.Module:
    """What a checkpoint keeps besides noise."""
    return nn.ModuleList([bench.network, bench.noise.network])


def _pause(bench: Bench, noise: noises.Noise, place: str, cursor: Cursor) -> None:
    passes.pause(bench.problem, cursor, noise, _both(bench), bench.optim, bench.adam, place=place)
