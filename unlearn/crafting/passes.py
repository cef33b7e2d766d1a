"""One pass over the samples: which of them, in which batches, and what is computed between two exchanges."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unlearn import randomness
from unlearn.crafting.problem import Problem
from unlearn.crafting.schedule import Schedule
from unlearn.datasets import stratified

# Images a CPU thread works on at once: small enough for its caches; part of the result, like batch sizes.
CPU_TASK = 64


def batches(problem: Problem, schedule: Schedule, round_: int) -> list[list[Tensor]]:
    """This round's batches, each a list of tasks, each the positions (B,) of its samples."""
    moved = torch.from_numpy(_moved_samples(problem, schedule)).to(problem.workers.device)
    order = randomness.permutation(problem.seed, "noise", round_, problem.batches.keys[moved])
    size = CPU_TASK if problem.workers.device.type == "cpu" else schedule.pgd_batch_size
    return [list(batch.split(size)) for batch in moved[order].split(schedule.pgd_batch_size)]


def _moved_samples(problem: Problem, schedule: Schedule) -> NDArray[np.int64]:
    protected = np.flatnonzero(problem.row >= 0)
    if schedule.portion == 1.0:
        return protected
    part = problem.data.take(protected)
    return protected[stratified(part, max(1, round(schedule.portion * len(protected))), problem.seed)]


def chunks(problem: Problem, batches: Sequence[list[Tensor]], done: int) -> Iterator[tuple[int, list[Tensor]]]:
    """The tasks between two exchanges and the number of batches done after them.

    One batch where rows are shared, because the next batch builds on it; else one batch a process.
    """
    together = 1 if problem.shared else problem.workers.world
    for first in range(done, len(batches), together):
        chunk = batches[first : first + together]
        yield first + len(chunk), [task for batch in chunk for task in batch]
