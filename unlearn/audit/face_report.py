"""The files of an audit against matching: results.json, CSV, Markdown and a page. They hold no photo."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Printed

from unlearn import files
from unlearn.audit import face_tables, page, report_markdown
from unlearn.audit.face_lines import Line, lines, verdict, worst
from unlearn.audit.face_rows import PROTECTED
from unlearn.audit.report import plain
from unlearn.audit.report_text import escaped, markdown

TITLE = "Audit against matching"
COLUMNS = (
    "method", "surrogates", "half", "recogniser", "white_box", "channel", "attack", "who", "leak", "set", "seed",
    "people", "probes", "not_found", "people_not_found", "rank_1", "low", "high", "rank_5", "rank_50", "tar",
)  # fmt: skip


def write(out: Path, results: dict[str, Any]) -> None:
    """Write results.json, results.csv, report.md and report.html.

    Raises:
        OutputError: when the folder cannot be written.
    """
    told = {key: plain(value) for key, value in results.items()}
    files.claim(out, empty=False)
    with files.output_errors(out):
        files.write_json(out / "results.json", told)
        files.write_text(out / "results.csv", rows_as_csv(told["rows"]))
        files.write_text(out / "report.md", as_markdown(told))
        files.write_text(out / "report.html", as_page(told))


def rows_as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows' figures, without ranks and people."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def as_markdown(results: Mapping[str, Any]) -> str:
    """The report as GitHub-flavored Markdown."""
    parts = [f"# {TITLE}", *map(markdown, verdict(results))]
    for title, made in face_tables.sections(results):
        parts += [f"## {title}", markdown(made.caption), report_markdown.table(made), *map(markdown, made.notes)]
    return "\n\n".join(parts) + "\n"


def as_page(results: Mapping[str, Any]) -> str:
    """The report as one HTML file."""
    sentences = "".join(f"<p>{escaped(sentence)}</p>" for sentence in verdict(results))
    head = f"<header><p>Can a person still be found?</p><h1>{escaped(TITLE)}</h1></header>"
    tables = (
        f"<section><h2>{escaped(title)}</h2>{page.table(made)}</section>"
        for title, made in face_tables.sections(results)
    )
    return page.document(TITLE, "\n".join([head, f'<section class="verdict">{sentences}</section>', *tables]))


def show(results: Mapping[str, Any], console: Console | None = None) -> None:
    """Print rank-1 by set for every line, the worst in bold, then the verdict."""
    console = console or Console(highlight=False)
    found = lines(results["rows"])
    marked = worst(found, leak=False)
    names = face_tables.set_names(found)
    printed = Printed(title="clean photos matched first (rank-1), and protected ones within 95 %")
    printed.add_column("row")
    for name in (*names, "95 %"):
        printed.add_column(face_tables.TITLES.get(name, name), justify="right")
    for line in found:
        printed.add_row(*_printed(line, names), style="bold" if line is marked else "dim" if line.white_box else None)
    console.print(printed)
    for sentence in verdict(results):
        console.print(sentence, markup=False)


def _printed(line: Line, names: Sequence[str]) -> list[str]:
    cells = [f"{line.sets[name].rank_1:.1%}" if name in line.sets else "not run" for name in names]
    figure = line.sets.get(PROTECTED)
    return [line.title, *cells, f"{figure.low:.0%} to {figure.high:.0%}" if figure else ""]
