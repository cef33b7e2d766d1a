"""The loop of methods that move features of faces: groups of samples, each on its own, dealt to the processes.

No surrogate learns here, so a group's noise depends on nothing but the group. What is computed does not depend on the
number of processes or threads: a group is one process's work, and inside it photos go over the threads in pieces, see
crafting/embedding.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn

from unlearn import randomness
from unlearn.crafting import noise as noises
from unlearn.crafting.domain import EveryPixel
from unlearn.crafting.problem import Problem
from unlearn.crafting.schedule import Cursor
from unlearn.errors import DataError, Interrupted
from unlearn.quantities import FINE

Tick = Callable[[], None]


@dataclass(frozen=True)
class Group:
    """Samples that are worked on together.

    index: positions of the samples (B,). rows: their rows of noise (K,). member: each sample's place in `rows` (B,).
    """

    index: Tensor
    rows: Tensor
    member: Tensor


Work = Callable[[Group, Tick], Tensor]


def need_every_pixel(problem: Problem, method: str) -> None:
    """Refuse noise on a coarse grid, for methods that move pixels.

    Raises:
        DataError: for a problem with a band.
    """
    if not isinstance(problem.domain, EveryPixel):
        raise DataError(f"{method} moves every pixel by itself; leave out `band` in the recipe")


def samples(problem: Problem, size: int, method: str) -> list[Group]:
    """Groups of `size` samples with rows of their own, the same ones in whatever order the data are stored.

    Raises:
        DataError: when samples share rows.
    """
    if problem.shared:
        raise DataError(f"{method} makes noise for one photo at a time; in a recipe: rows: sample-wise")
    found = []
    for index in _by_key(problem, _protected(problem)).split(size):
        rows = problem.row_on_device[index]
        found.append(Group(index, rows, torch.arange(len(index), device=index.device)))
    return found


def people(problem: Problem) -> list[Group]:
    """One group a row of noise, with all samples that share it."""
    index = _by_key(problem, _protected(problem))
    rows = problem.row_on_device[index]
    return [Group(index[rows == row], row[None], torch.zeros_like(index[rows == row])) for row in rows.unique()]


def _protected(problem: Problem) -> Tensor:
    return torch.nonzero(problem.row_on_device >= 0)[:, 0]


def _by_key(problem: Problem, index: Tensor) -> Tensor:
    return index[randomness.permutation(problem.seed, "groups", 0, problem.batches.keys[index])]


def craft(problem: Problem, groups: Sequence[Group], steps: int, work: Work) -> noises.Noise:
    """The noise of all groups: `work` returns a group's, shape (K, ...) as the domain has it, in [0, 1] units.

    steps: how often `work` calls its tick at most, for the progress.

    Raises:
        Interrupted: after a stop request, with a checkpoint if there is a place for one.
    """
    with problem.workers.pinned():
        noise = _empty(problem)
        done = first = _resume(problem, noise)
        with problem.progress.task("noise for faces", (len(groups) - first) * steps) as advance:
            for start in range(first, len(groups), problem.workers.world):
                chunk = groups[start : start + problem.workers.world]
                try:
                    _together(problem, noise, chunk, work, _ticking(problem, advance, len(chunk)))
                except Interrupted:
                    _save(problem, noise, done)
                    raise
                done += len(chunk)
                _pause(problem, noise, done)
        return noise


def _empty(problem: Problem) -> noises.Grid:
    """Fine steps of a level, so that noise is rounded once, at the end."""
    shape = problem.domain.shape(tuple(problem.data.images.shape[1:]))
    return noises.Grid(problem.storage()((problem.rows, *shape), torch.int16), 1 / FINE, problem.epsilon)


def _ticking(problem: Problem, advance: Callable[[int], None], groups: int) -> Tick:
    """One step of a group: progress, and an early way out where no other process waits for this one."""

    def tick() -> None:
        advance(groups)
        if problem.workers.world == 1 and problem.workers.stop.requested:
            raise Interrupted(_stopped(problem))

    return tick


def _together(problem: Problem, noise: noises.Grid, chunk: Sequence[Group], work: Work, tick: Tick) -> None:
    """At most one group a process; what each has made, all receive."""
    workers = problem.workers
    ends = [0, *accumulate(len(group.rows) for group in chunk)]
    made = torch.zeros((ends[-1], *noise.values.shape[1:]), device=workers.device)
    shares = workers.deal(len(chunk))
    for i in shares[workers.rank]:
        made[ends[i] : ends[i + 1]] = work(chunk[i], tick)
    workers.share(made, [range(ends[share.start], ends[share.stop]) for share in shares])
    noise.store(torch.cat([group.rows for group in chunk]), noise.encode(made))


def _pause(problem: Problem, noise: noises.Grid, done: int) -> None:
    stop = problem.workers.stop_requested()
    if stop or (problem.checkpoints and problem.checkpoints.due()):
        _save(problem, noise, done)
    if stop:
        raise Interrupted(_stopped(problem))


def _stopped(problem: Problem) -> str:
    kept = " with a checkpoint; the same command goes on from it" if problem.checkpoints else ""
    return f"stopped while noise for faces was made{kept}"


def _save(problem: Problem, noise: noises.Grid, done: int) -> None:
    if problem.workers.main and problem.checkpoints:
        problem.checkpoints.save(Cursor(moved=done), noise.values, *_no_surrogate())


def _resume(problem: Problem, noise: noises.Grid) -> int:
    """Groups that are done already."""
    cursor = problem.checkpoints.load(noise.values, *_no_surrogate()) if problem.checkpoints else None
    if cursor is None:
        return 0
    problem.progress.log("resumed", groups=cursor.moved)
    return cursor.moved


def _no_surrogate() -> tuple[nn.Module, torch.optim.SGD]:
    """What a checkpoint keeps besides the noise, where nothing learns."""
    return nn.Identity(), torch.optim.SGD([torch.zeros(1)], lr=1.0)


def random_start(problem: Problem, group: Group, size: float) -> Tensor:
    """U(-size, size) for every row of a group, drawn from (seed, the row's key)."""
    shape = problem.domain.shape(tuple(problem.data.images.shape[1:]))
    keys = problem.row_keys()[group.rows]
    return (2 * randomness.uniform(problem.seed, "random-start", 0, keys, shape) - 1) * size


def nothing(problem: Problem, group: Group) -> Tensor:
    """Zero noise for every row of a group."""
    shape = problem.domain.shape(tuple(problem.data.images.shape[1:]))
    return torch.zeros(len(group.rows), *shape, device=problem.workers.device)


def within_budget(problem: Problem, held: Tensor) -> Tensor:
    """Noise of rows back within the budget, whatever photo it will lie on; bright and dark ones clip the sum."""
    gray = held.new_full((1, *problem.data.images.shape[1:]), 0.5)
    return problem.domain.project(held, gray, problem.epsilon)
