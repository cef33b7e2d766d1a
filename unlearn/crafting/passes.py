"""One pass over the samples: which of them, in which batches, and what is computed between two exchanges."""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unlearn import randomness
from unlearn.crafting.noise import Noise
from unlearn.crafting.problem import Problem
from unlearn.crafting.schedule import Cursor, Schedule
from unlearn.datasets import stratified
from unlearn.errors import Interrupted

# Images a CPU thread works on at once: small enough for its caches; part of the result, like batch sizes.
CPU_TASK = 64
# Tasks for each of several threads between two exchanges: fewer leave threads idle at the end.
TASKS = 4


def batches(problem: Problem, schedule: Schedule, round_: int, whole: bool = False) -> list[list[Tensor]]:
    """This round's batches, each a list of tasks, each the positions (B,) of its samples; `whole`: one task a batch."""
    moved = torch.from_numpy(_moved_samples(problem, schedule)).to(problem.workers.device)
    order = randomness.permutation(problem.seed, "noise", round_, problem.batches.keys[moved])
    split = problem.workers.device.type == "cpu" and not whole
    size = CPU_TASK if split else schedule.pgd_batch_size
    return [list(batch.split(size)) for batch in moved[order].split(schedule.pgd_batch_size)]


def _moved_samples(problem: Problem, schedule: Schedule) -> NDArray[np.int64]:
    protected = np.flatnonzero(problem.row >= 0)
    if schedule.portion == 1.0:
        return protected
    part = problem.data.take(protected)
    return protected[stratified(part, max(1, round(schedule.portion * len(protected))), problem.seed)]


def chunks(problem: Problem, batches: Sequence[list[Tensor]], done: int) -> Iterator[tuple[int, list[Tensor]]]:
    """The tasks between two exchanges and the number of batches done after them.

    One batch where rows are shared, because the next batch builds on it; else at least one batch a process and
    enough of them for all threads.
    """
    together = 1 if problem.shared else problem.workers.world * _batches_a_process(problem, batches)
    for first in range(done, len(batches), together):
        chunk = batches[first : first + together]
        yield first + len(chunk), [task for batch in chunk for task in batch]


def _batches_a_process(problem: Problem, batches: Sequence[list[Tensor]]) -> int:
    threads = problem.workers.threads
    return 1 if threads == 1 or not batches else ceil(TASKS * threads / len(batches[0]))


def move(problem: Problem, noise: Noise, chunk: Sequence[Tensor], stepped: Callable[[Tensor], Tensor]) -> None:
    """Deal the tasks to the processes, exchange the moved noise and store it.

    Args:
        chunk: the positions (B,) of each task's samples.
        stepped: positions (B,) to their moved noise, encoded, shape (B, ...).
    """
    workers, index = problem.workers, torch.cat(list(chunk))
    moved = torch.empty((len(index), *noise.values.shape[1:]), dtype=noise.values.dtype, device=workers.device)
    ends = [0, *accumulate(len(task) for task in chunk)]
    shares = workers.deal(len(chunk))
    mine = shares[workers.rank]
    if mine:
        parts = workers.map(stepped, chunk[mine.start : mine.stop])
        moved[ends[mine.start] : ends[mine.stop]] = torch.cat(parts)
    workers.share(moved, [range(ends[share.start], ends[share.stop]) for share in shares])
    noise.store(problem.row_on_device[index], moved)


def pause(
    problem: Problem, cursor: Cursor, noise: Noise, network: nn.Module, *optims: torch.optim.Optimizer, place: str
) -> None:
    """Between two pieces of work: checkpoint when it is time, and leave when a stop was requested.

    Raises:
        Interrupted: after a stop request, saying at which place.
    """
    stop = problem.workers.stop_requested()
    if problem.workers.main and problem.checkpoints and (stop or problem.checkpoints.due()):
        problem.checkpoints.save(cursor, noise.values, network, *optims)
    if stop:
        kept = " with a checkpoint; the same command goes on from it" if problem.checkpoints else ""
        raise Interrupted(f"stopped {place}{kept}")


def resume(problem: Problem, noise: Noise, network: nn.Module, *optims: torch.optim.Optimizer) -> Cursor | None:
    """The newest checkpoint, loaded by every process by itself; None without one."""
    if problem.checkpoints is None:
        return None
    cursor = problem.checkpoints.load(noise.values, network, *optims)
    if cursor:
        problem.progress.log("resumed", round=cursor.round + 1, trained=cursor.trained, moved=cursor.moved)
    return cursor
