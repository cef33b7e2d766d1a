"""The table of the detectors: nobody can promise that noise goes unnoticed, so the report says how often it is."""

from collections.abc import Mapping
from typing import Any

from unlearn.audit import report_measures as measures
from unlearn.audit.report_tables import Cell, Table, figure
from unlearn.audit.report_text import plural, set_title

TITLES = {
    "linear_pixels": "linear model on pixels",
    "linear_residuals": "linear model on statistics of residuals",
    "small_cnn": "small network",
}


def detection(results: Mapping[str, Any]) -> Table | None:
    """How often simple models tell each set from the clean images; None where that was not asked for."""
    rows = results.get("detection") or []
    if not rows:
        return None
    detectors, names = (measures.distinct(row[key] for row in rows) for key in ("detector", "train_on"))
    names = sorted(names, key=lambda name: name.startswith("random"))  # controls come last
    lines = [[Cell(_title(results, name)), *(_cell(rows, each, name) for each in detectors)] for name in names]
    head = ["Training set, against clean", *(TITLES.get(each, each) for each in detectors)]
    return Table(_caption(rows), head, lines)


def _title(results: Mapping[str, Any], name: str) -> str:
    """The method where several are audited, the set itself otherwise."""
    several = len(measures.protected_sets(results["detection"])) > 1
    return measures.title(results, name) if several and not name.startswith("random") else set_title(name)


def _cell(rows: list[Mapping[str, Any]], detector: str, name: str) -> Cell:
    return figure(measures.pooled((r for r in rows if (r["detector"], r["train_on"]) == (detector, name)), "accuracy"))


def _caption(rows: list[Mapping[str, Any]]) -> str:
    images = plural(max(row["n"] for row in rows), "image")
    return (
        "How often simple models that were shown the clean and the changed version of half of the samples tell them "
        f"apart on the other half ({images}); guessing gives 50 %. Nobody can promise noise that goes undetected: who "
        "filters images before training can find these as easily as the table says, leave them out or clean them."
    )
