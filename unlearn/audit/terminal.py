"""The end of an audit on a terminal: a table, three sentences."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from unlearn.audit import report_grid, report_tables, summary
from unlearn.audit import report_measures as measures
from unlearn.audit.report_text import percent, set_title


def show(results: Mapping[str, Any], console: Console | None = None) -> None:
    """Print accuracy on clean test images, or every method's worst case where methods are many, then the verdict."""
    console = console or Console(highlight=False)
    worst = report_grid.worst(results)
    if not report_grid.crowded(results):
        console.print(_by_defense(results))
    if worst:
        console.print(_by_method(worst))
    for sentence in summary.verdict(results):
        console.print(sentence, markup=False)


def _by_defense(results: Mapping[str, Any]) -> Table:
    """A row a defense and victim, a column a training set: the last epoch with the peak."""
    names = measures.set_names(results["rows"])
    table = Table(title=f"accuracy on clean test images, last epoch (peak); guessing: {percent(results['chance'])}")
    for heading in ("defense", "victim", "seeds"):
        table.add_column(heading)
    for name in names:
        table.add_column(set_title(name), justify="right")
    for line in summary.table(results):
        cells = [_cell(line.last[name], line.peak[name]) for name in names]
        seeds = max((figure.seeds for figure in line.last.values() if figure), default=0)
        table.add_row(line.defense, line.victim, str(seeds), *cells, style="bold" if line.worst else None)
    return table


def _by_method(worst: report_tables.Table) -> Table:
    """The worst case of every method."""
    table = Table(title="worst case by method, the method that holds best first")
    for place, heading in enumerate(worst.head):
        table.add_column(heading, justify="left" if place < worst.words else "right")
    for row in worst.rows:
        table.add_row(*(cell.main for cell in row))
    return table


def _cell(last: measures.Measure | None, peak: measures.Measure | None) -> str:
    return f"{percent(last.mean)} ({percent(peak.mean)})" if last and peak else "not run"
