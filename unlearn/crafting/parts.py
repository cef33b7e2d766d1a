"""Parts of a composed perturbation: the problem of each, and one perturbation of all."""

from collections.abc import Sequence
from dataclasses import replace

from unlearn.crafting.domain import EveryPixel
from unlearn.crafting.problem import ROWS, Problem
from unlearn.errors import DataError
from unlearn.kinds import Crafted
from unlearn.kinds import sequence as sequences


def problem_of(problem: Problem, number: int, share: float, rows: str | None) -> Problem:
    """The problem with a share of epsilon, rows, random numbers and folders of its own for part `number`."""
    row = problem.row if rows is None else ROWS[rows](problem.data.labels, problem.row >= 0)
    kept = problem.checkpoints
    if kept is not None:
        kept = replace(kept, folder=kept.folder / f"part-{number}")
    return replace(
        problem,
        row=row,
        epsilon=problem.epsilon * share,
        seed=(problem.seed + number) % 2**63,
        checkpoints=kept,
    )


def composed(problem: Problem, crafted: Sequence[Crafted]) -> Crafted:
    """One perturbation: neighbors that add up are summed, the others follow each other.

    Raises:
        DataError: when parts on a coarse grid do not add up to one, because their rows differ.
    """
    parts: list[Crafted] = []
    for each in crafted:
        sum_ = parts[-1].joined(each, problem.epsilon) if parts else None
        parts = [*parts[:-1], sum_] if sum_ is not None else [*parts, each]
    if len(parts) == 1:
        return parts[0]
    if not isinstance(problem.domain, EveryPixel):
        raise DataError("compose: noise on a coarse grid adds up; leave out `band`, or give all parts the same rows")
    shape = tuple(int(n) for n in problem.data.images.shape[1:])
    return sequences.Sequence(tuple(part.on_pixels(shape) for part in parts), problem.epsilon)
