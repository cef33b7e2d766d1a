"""report.md: verdict and tables for issues and papers."""

from collections.abc import Mapping
from typing import Any

from unlearn.audit import report_tables
from unlearn.audit.report_tables import Cell, Table
from unlearn.audit.report_text import markdown
from unlearn.audit.summary import verdict

SECTIONS = (
    ("Accuracy with controls", report_tables.accuracy),
    ("Partial protection", report_tables.portions),
    ("Protecting some classes", report_tables.classes),
    ("Image quality", report_tables.quality),
    ("Crafting", report_tables.crafting),
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
