"""What crafting cost and why it ended, in seconds and in trainings of the audit."""

from collections.abc import Mapping
from typing import Any

from unlearn.audit import report_measures as measures
from unlearn.audit.report_tables import Cell, Table, setting
from unlearn.audit.report_text import set_title

CPU = "cpu_seconds"
TRAININGS = "audit trainings"
NOTE = (
    "An audit training is the mean CPU time of this audit's runs of the first victim on clean images, undefended. "
    "CPU time is of one process; other work on the same machine slows it less than the clock, but not by nothing."
)


def table(results: Mapping[str, Any]) -> Table | None:
    """One row a set: how it ended, seconds, and how many trainings of this audit the crafting is worth."""
    found = results.get("crafting") or {}
    keys = measures.distinct(key for each in found.values() for key in each)
    if not keys:
        return None
    costs = trainings(results)
    rows = [
        [
            Cell(set_title(name)),
            *(setting(each.get(key)) for key in keys),
            *([Cell(f"{costs[name]:.2f}" if name in costs else "not recorded")] if costs else []),
        ]
        for name, each in found.items()
    ]
    head = ["Training set", *keys, *([TRAININGS] if costs else [])]
    return Table("How the perturbation was crafted.", head, rows, notes=[NOTE] if costs else [])


def trainings(results: Mapping[str, Any]) -> dict[str, float]:
    """Crafting's CPU time of every set in units of one audit training; nothing where either was not recorded."""
    one = training_seconds(results)
    known = {name: measures.number(each.get(CPU)) for name, each in (results.get("crafting") or {}).items()}
    return {name: seconds / one for name, seconds in known.items() if seconds is not None and one}


def training_seconds(results: Mapping[str, Any]) -> float | None:
    """Mean CPU time of a training run of the first victim on clean images without a defense."""
    rows = results["rows"]
    figure = measures.measure(rows, "clean", measures.NO_DEFENSE, rows[0]["victim"], CPU) if rows else None
    return figure.mean if figure else None
