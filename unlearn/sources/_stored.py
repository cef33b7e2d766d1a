"""Tables of the `datasets` library; shared by saved and hub."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from unlearn.sources._columns import Part, Splits, Table

ROWS = 256  # a part: enough to make reading cheap, little enough to keep


def splits(stored: Mapping[str, Any], place: str) -> Splits:
    """The splits of a DatasetDict as tables; images stay encoded."""
    return {str(name): partial(_table, data, f"{place} {name}") for name, data in stored.items()}


def _table(data: Any, place: str) -> Table:
    raw = data.with_format("arrow")
    starts = range(0, len(data), ROWS)
    parts = [Part(place, i, min(ROWS, len(data) - i), partial(_column, raw, i)) for i in starts]
    named = {column: getattr(feature, "names", None) for column, feature in data.features.items()}
    return Table(tuple(data.column_names), {k: tuple(v) for k, v in named.items() if v}, tuple(parts))


def _column(raw: Any, start: int, name: str) -> Any:
    return raw.select_columns([name])[start : start + ROWS].column(name)
