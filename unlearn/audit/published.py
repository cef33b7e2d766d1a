"""Published figures beside an audit's own: facts with their source in published.csv, no figure from memory.

No JPEG of unknown quality, no blur that leaves every pixel as it is. What a source calls by a method's name has that
source's own budget and rows of noise; where its form of a defense differs from this project's, the caption says so.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from unlearn.audit import report_measures as measures
from unlearn.audit.report_measures import Line
from unlearn.audit.report_tables import Cell, Table, figure
from unlearn.audit.report_text import percent

FILE = "published.csv"
CAPTION = (
    "Accuracy on clean test images here and as published, and the difference in points. The settings differ: these are "
    "figures of the networks named, trained for long on the whole data set; where this audit has fewer images, "
    "another network or a shorter training, compare the order of methods and not the figures. "
    "APBench grays, compresses and reduces bits of training images only, cuts bits where they are rounded here, and "
    "gives UEraser a JPEG of its own against TAP and AR."
)


@dataclass(frozen=True)
class Fact:
    """One published accuracy on clean test images, as a share, with the network it is of and where it stands."""

    method: str
    dataset: str
    network: str
    defense: str
    accuracy: float
    source: str


@cache
def facts() -> tuple[Fact, ...]:
    """All of them, in the file's order."""
    lines = resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8").splitlines()
    rows: list[dict[str, Any]] = list(csv.DictReader(lines))
    return tuple(Fact(**row | {"accuracy": float(row["accuracy"])}) for row in rows)


def same_data(one: str, other: str) -> bool:
    """Whether two names of data sets mean the same: `CIFAR-10` and `cifar10`."""
    return _bare(one) == _bare(other) != ""


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def find(method: str, dataset: str, defense: str, network: str) -> list[Fact]:
    """Facts about this cell of a grid: of the same network where there are any, else of the first one reported."""
    found = [f for f in facts() if (f.method, f.defense) == (method, defense) and same_data(f.dataset, dataset)]
    same = [f for f in found if f.network == network]
    return same or [f for f in found if f.network == found[0].network]


def table(results: Mapping[str, Any]) -> Table | None:
    """Ours beside the published figure, for every cell that has one; None where there is none."""
    lines = measures.lines(results["rows"], results["chance"])
    methods = {"clean": "clean", **measures.methods(results)}
    rows = [row for name, method in methods.items() for line in lines if (row := _row(results, name, method, line))]
    head = ["Training set", "Defense", "Victim", "here", "published", "difference", "of", "Other sources"]
    return Table(CAPTION, head, rows, 3) if rows else None


def _row(results: Mapping[str, Any], name: str, method: str, line: Line) -> Sequence[Cell] | None:
    ours = line.last.get(name)
    found = find(method, str(results.get("dataset") or ""), line.defense, line.victim)
    if ours is None or not found:
        return None
    first, *others = found
    return [
        Cell(measures.title(results, name)),
        Cell(line.defense),
        Cell(line.victim),
        figure(ours),
        Cell(percent(first.accuracy), first.source),
        Cell(f"{100 * (ours.mean - first.accuracy):+.1f}"),
        Cell(first.network),
        Cell("; ".join(f"{percent(f.accuracy)} ({f.source})" for f in others) or "none"),
    ]
