"""metadata.jsonl and metadata.csv beside image files, as the Hugging Face image folders have them."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from unlearn.errors import DataError
from unlearn.sources import _places

Row = tuple[str, Any]  # place for messages, the row's mapping


def read(root: Path, folder: Path) -> list[tuple[Path, str]]:
    """(file, label) for each row; empty without a metadata file, or when none of its rows has a label.

    Raises:
        DataError: a damaged file, rows without file_name or label, files that are absent or outside the root.
    """
    rows = _jsonl(root, folder / "metadata.jsonl") or _csv(root, folder / "metadata.csv")
    if not any(isinstance(row, dict) and row.get("label") not in (None, "") for _, row in rows):
        return []
    return [_sample(root, folder, where, row) for where, row in rows]


def _sample(root: Path, folder: Path, where: str, row: Any) -> tuple[Path, str]:
    name = row.get("file_name") if isinstance(row, dict) else None
    if not isinstance(name, str) or not name:
        raise DataError(f"{where}: has no file_name")
    label = row.get("label")
    if isinstance(label, bool) or not isinstance(label, int | str) or label == "":
        raise DataError(f"{where}: label {_places.shown(repr(label))[:60]} is neither a string nor a whole number")
    if isinstance(label, int) and label < 0:
        raise DataError(f"{where}: label {label} is negative, so unknown")
    return _places.inside(root, folder, name, where), _utf8(str(label), where)


def _utf8(label: str, where: str) -> str:
    """JSON can escape halves of characters, which no file can store."""
    try:
        label.encode()
    except UnicodeEncodeError:
        raise DataError(f'{where}: label "{_places.shown(label)}" is not UTF-8') from None
    return label


def _jsonl(root: Path, file: Path) -> list[Row]:
    lines = enumerate(_text(root, file).split("\n"), 1)
    return [(_where(file, number), _parsed(line, _where(file, number))) for number, line in lines if line.strip()]


def _parsed(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({_places.reason(error)})") from error


def _csv(root: Path, file: Path) -> list[Row]:
    reader = csv.DictReader(io.StringIO(_text(root, file), newline=""))
    try:
        return [(_where(file, reader.line_num), row) for row in reader]
    except csv.Error as error:
        raise DataError(f"{file.name}: not CSV ({_places.reason(error)})") from error


def _where(file: Path, line: int) -> str:
    return f"{_places.shown(file.parent.name)}/{file.name} line {line}"


def _text(root: Path, file: Path) -> str:
    if not file.is_file():
        return ""
    _places.require_inside(root, file, _places.shown(file.parent.name))
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{_places.shown(file.parent.name)}/{file.name}: {_places.reason(error)}") from error
