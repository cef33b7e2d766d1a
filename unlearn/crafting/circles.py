"""Which photos' features belong together, and the point of them that a photo is driven away from."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from unlearn.crafting import hulls
from unlearn.crafting.cloaking import Group
from unlearn.crafting.problem import Problem

Points = Callable[[Tensor, Tensor], Tensor]
Away = Literal["center", "hull", "own"]


def points(problem: Problem, group: Group, learned: Tensor, clean: Tensor, away_from: Away) -> Points:
    """(features (b, D), places in the group (b,)) -> what each is driven away from, (b, D).

    Args:
        learned: places of the photos in the group that may be learned on.
        clean: clean features (N, D) of all samples under one embedder.
    """
    circle, members = _circles(problem, group, learned)
    centers = torch.stack([clean[index].mean(0) for index in members])
    nearest = [hulls.convex(clean[index]) for index in members]

    def hull(y: Tensor, places: Tensor) -> Tensor:
        found = torch.empty_like(y)
        for number in circle[places].unique().tolist():
            mine = circle[places] == number
            found[mine] = nearest[number](y[mine])
        return found

    by_name: dict[str, Points] = {
        "center": lambda y, places: centers[circle[places]],
        "hull": hull,
        "own": lambda y, places: clean[group.index[places]],
    }
    return by_name[away_from]


def _circles(problem: Problem, group: Group, learned: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Each photo's circle (B,), and by circle the positions of its members.

    Photos that share a row are one circle; others are joined by all protected ones of their label.
    """
    if len(group.rows) < len(group.index):
        return torch.zeros_like(group.index), [group.index[learned]]
    labels, circle = problem.batches.labels[group.index].unique(return_inverse=True)
    protected = problem.row_on_device >= 0
    return circle, [torch.nonzero(protected & (problem.batches.labels == label))[:, 0] for label in labels]
