"""report.md: verdict and tables for issues and papers."""

from collections.abc import Mapping
from typing import Any

from unlearn.audit import published, report_crafting, report_grid, report_tables
from unlearn.audit.report_detection import detection
from unlearn.audit.report_tables import Cell, Table
from unlearn.audit.report_text import markdown
from unlearn.audit.summary import verdict

SECTIONS = (
    ("Worst case by method", report_grid.worst),
    ("Methods against defenses", report_grid.accuracy),
    ("Gap to clean", report_grid.gaps),
    ("Best epoch", report_grid.peaks),
    ("Accuracy with controls", report_grid.with_controls),
    ("Beside published figures", published.table),
    ("Partial protection", report_tables.portions),
    ("Protecting some classes", report_tables.classes),
    ("Image quality", report_tables.quality),
    ("Detection", detection),
    ("Crafting", report_crafting.table),
    ("Settings", report_tables.settings),
    ("Provenance", report_tables.provenance),
)
UNLISTED = "This audit does not record what it left out."


def render(results: Mapping[str, Any]) -> str:
    """The whole report as GitHub-flavored Markdown."""
    parts = [
        f"# Audit of {markdown(results.get('name', 'a protected data set'))}",
        *map(markdown, verdict(results)),
    ]
    for title, make in SECTIONS:
        made = make(results)
        if made:
            parts += [f"## {title}", markdown(made.caption), table(made), *map(markdown, made.notes)]
    missing = [f"- {markdown(item)}" for item in results.get("not_run") or [UNLISTED]]
    return "\n\n".join([*parts, "## Not tested", "\n".join(missing)]) + "\n"


def table(made: Table) -> str:
    """A table in GitHub's Markdown."""
    rule = ["---" if i < made.words else "---:" for i in range(len(made.head))]
    rows = [[markdown(h) for h in made.head], rule, *([_cell(cell) for cell in row] for row in made.rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cell(cell: Cell) -> str:
    return markdown(cell.main) + (f" ({markdown(cell.detail)})" if cell.detail else "")
