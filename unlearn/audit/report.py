"""The files of an audit's report, all made from its results: results.json, CSV, Markdown and a page."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unlearn import files
from unlearn.audit import page, report_markdown
from unlearn.audit.report_pictures import Example
from unlearn.audit.report_text import encodable

__all__ = ["Example", "write"]

ORDER = (
    "version", "prescreen", "name", "method", "dataset", "epsilon", "chance", "summary", "rows", "sweep", "detection",
    "quality", "crafting", "settings", "versions", "machine", "data_fingerprint", "not_run",
)  # fmt: skip
RUN = ("train_on", "defense", "victim", "seed")
FIGURES = ("clean_test_accuracy", "peak_clean_test_accuracy", "train_accuracy")
PARTS = ("protected_classes_accuracy", "other_classes_accuracy")
ROW_COLUMNS = (*RUN, *FIGURES, "seconds")
SWEEP_COLUMNS = ("kind", "value", *RUN, *FIGURES, *PARTS, "seconds")


def write(out: Path, results: dict[str, Any], examples: Sequence[Example] = ()) -> None:
    """Write results.json, results.csv, report.md and report.html, and sweep.csv for partial protection.

    The same results give the same bytes, in whatever order their keys come.

    Args:
        out: the folder, made if it does not exist.
        results: as results.json holds them; figures that are not finite become null.
        examples: images to show before and after; none by default.

    Raises:
        OutputError: when the folder cannot be written.
    """
    ordered = _ordered(results)
    files.claim(out, empty=False)
    with files.output_errors(out):
        files.write_json(out / "results.json", ordered)
        files.write_text(out / "results.csv", _csv(ordered["rows"], ROW_COLUMNS))
        _write_sweep(out / "sweep.csv", ordered.get("sweep") or [])
        files.write_text(out / "report.md", report_markdown.render(ordered))
        files.write_text(out / "report.html", page.render(ordered, examples))


def _ordered(results: Mapping[str, Any]) -> dict[str, Any]:
    """The contract's keys first and in its order, all others sorted."""
    known = [key for key in ORDER if key in results]
    return {key: plain(results[key]) for key in [*known, *sorted(results.keys() - set(known))]}


def plain(value: Any) -> Any:
    """JSON-ready: sorted keys, lists, encodable text, and null for what is not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, str):
        return encodable(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_sweep(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Partly protected runs stay out of results.csv, where somebody would average them with whole ones."""
    if rows:
        files.write_text(path, _csv(rows, SWEEP_COLUMNS))
    else:
        path.unlink(missing_ok=True)


def _csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_field(row.get(column)) for column in columns] for row in rows)
    return stream.getvalue()


def _field(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
