"""Many methods against many defenses: each method's worst case, and the grid as a heat map, its gap and its peak."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from unlearn.audit import report_measures as measures
from unlearn.audit import report_tables
from unlearn.audit.report_measures import Line
from unlearn.audit.report_style import SERIES
from unlearn.audit.report_tables import Cell, Table, figure
from unlearn.audit.report_text import HOLE, guess, percent

Draw = Callable[[Line, str], Cell]


def several(results: Mapping[str, Any]) -> bool:
    """Whether more than one method was audited."""
    return len(measures.protected_sets(results["rows"])) > 1


def worst(results: Mapping[str, Any]) -> Table | None:
    """One row a method, the method that holds best first: where it fails most, and how far that is from clean."""
    if not several(results):
        return None
    found = measures.lines(results["rows"], results["chance"])
    names = [name for name in measures.protected_sets(results["rows"]) if measures.highest(found, name)]
    rows = {name: _worst(results, found, name) for name in names}
    ordered = sorted(rows, key=lambda name: _height(found, name))
    head = ["Method", "Worst defense", "worst case", "clean, same defense", "gap to clean", "best epoch", "undefended"]
    head += ["defenses"]
    caption = (
        "The highest mean accuracy over all defenses and victims, at the last epoch; the method that holds best comes "
        "first. The gap is what clean images teach more under the same defense, in points: near 0 protects nobody. "
        f"The best epoch is what a trainer reaches who knows when to stop. Guessing gives {guess(results['chance'])}."
    )
    return Table(caption, head, [rows[name] for name in ordered], 2)


def _height(found: Sequence[Line], name: str) -> float:
    line = measures.highest(found, name)
    here = line.last[name] if line else None
    return here.mean if here else 1.0


def _worst(results: Mapping[str, Any], found: Sequence[Line], name: str) -> list[Cell]:
    line, best = measures.highest(found, name), measures.highest(found, name, peak=True)
    first, several_victims = measures.primary(found), len({x.victim for x in found}) > 1
    assert line  # the caller asks about sets that were run
    peak = best.peak[name] if best else None
    tried = sum(1 for each in found if each.last[name])
    return [
        Cell(measures.title(results, name)),
        Cell(line.defense, line.victim if several_victims else ""),
        figure(line.last[name]),
        figure(line.last["clean"]),
        gap(line, name),
        Cell(percent(peak.mean), best.defense) if peak and best else Cell(HOLE),
        figure(first.last[name] if first else None),
        Cell(f"{tried} of {len(found)}"),
    ]


def gap(line: Line, name: str) -> Cell:
    """Points that clean images teach more under the same defense."""
    clean, here = line.last["clean"], line.last[name]
    return Cell(f"{100 * (clean.mean - here.mean):.1f}") if clean and here else Cell(HOLE)


def accuracy(results: Mapping[str, Any]) -> Table | None:
    """The heat map: methods and controls in rows, defenses in columns."""
    caption = (
        "Accuracy on clean test images at the last epoch: mean, 95 % interval (Student's t) and number of seeds. The "
        "stronger the color, the more of what clean images teach under this defense is learned; each method's worst "
        "case is framed."
    )
    made = _map(results, caption, lambda line, name: figure(line.last[name]))
    return replace(made, notes=report_tables.accuracy_notes(results)) if made else None


def with_controls(results: Mapping[str, Any]) -> Table | None:
    """The table by defense with a column a set, unless the sets are too many: the heat map has all of them."""
    return None if crowded(results) else report_tables.accuracy(results)


def crowded(results: Mapping[str, Any]) -> bool:
    """Whether there are more sets than colors."""
    return several(results) and len(measures.set_names(results["rows"])) > SERIES


def gaps(results: Mapping[str, Any]) -> Table | None:
    """The same grid as points below the clean images."""
    caption = "Points that clean images teach more than these, under the same defense."
    return _map(results, caption, gap, with_clean=False)


def peaks(results: Mapping[str, Any]) -> Table | None:
    """The same grid at each run's best epoch by the clean test images, which a trainer does not have."""
    caption = "The same at each run's best epoch: an upper bound for early stopping."
    return _map(results, caption, lambda line, name: figure(line.peak[name]))


def _map(results: Mapping[str, Any], caption: str, draw: Draw, with_clean: bool = True) -> Table | None:
    if not several(results):
        return None
    found, methods = measures.lines(results["rows"], results["chance"]), measures.protected_sets(results["rows"])
    controls = [name for name in measures.set_names(results["rows"]) if name not in methods]
    names = [*(name for name in controls if name != "clean" or with_clean), *methods]
    several_victims = len({line.victim for line in found}) > 1
    head = [f"{line.defense}, {line.victim}" if several_victims else line.defense for line in found]
    rows = [[Cell(measures.title(results, name)), *(draw(line, name) for line in found)] for name in names]
    shades: dict[tuple[int, int], float] = {}
    framed: set[tuple[int, int]] = set()
    for place, name in enumerate(names):
        if name in methods:
            warm = {(place, i + 1): heat(line, name) for i, line in enumerate(found)}
            shades |= {cell: shade for cell, shade in warm.items() if shade is not None}
            framed |= {(place, i + 1) for i, line in enumerate(found) if line is measures.highest(found, name)}
    return Table(caption, ["Method", *head], rows, 1, shades=shades, framed=frozenset(framed))


def heat(line: Line, name: str) -> float | None:
    """Share of what clean images teach under this defense that is learned from the set: 0 to 1."""
    left = line.protection(name)
    return None if left is None else min(max(1 - left, 0.0), 1.0)
