"""Labels without class names: the distinct values of all splits are the classes, in order.

All splits count, because a class that one split lacks would otherwise shift the numbers of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from unlearn.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def number(labels: Sequence[str], every: Iterable[str]) -> tuple[list[int], tuple[str, ...]]:
    """(labels as 0..K-1, names of the K classes), numbers in their order before other names in theirs."""
    names = tuple(sorted({*labels, *every}, key=_order))
    numbers = {name: i for i, name in enumerate(names)}
    return [numbers[label] for label in labels], names


def _order(name: str) -> tuple[int, int, str, str]:
    if not (name.isascii() and name.isdecimal()):
        return 1, 0, "", name
    digits = name.lstrip("0")
    return 0, len(digits), digits, name


def refuse_negative(labels: ArrayLike, where: Sequence[str]) -> None:
    """Raise DataError for whole-number labels below zero, which by custom stand for unknown ones."""
    import numpy as np

    wrong = np.flatnonzero(np.asarray(labels) < 0)
    if len(wrong):
        first = int(wrong[0])
        value = np.asarray(labels)[first]
        raise DataError(f"{where[first]}: label {value} is negative, so unknown ({len(wrong)} samples)")
