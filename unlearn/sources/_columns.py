"""Tables with a column of encoded images and one of labels; shared by parquet, saved and hub."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from unlearn.datasets import Records
from unlearn.errors import DataError
from unlearn.sources import _labels, _places

IMAGE = ("image", "img")
LABEL = ("label", "labels", "fine_label", "class")


@dataclass(frozen=True)
class Part:
    """Rows that are read together, such as a row group: place for messages, number of its first row, rows.

    read: a column by name, as a pyarrow ChunkedArray.
    """

    place: str
    first: int
    rows: int
    read: Callable[[str], Any]


@dataclass(frozen=True)
class Table:
    """One split: column names, class names of the columns that have them, and the rows in parts."""

    columns: tuple[str, ...]
    names: Mapping[str, tuple[str, ...]]
    parts: tuple[Part, ...]


Splits = Mapping[str, Callable[[], Table]]


def records(splits: Splits, split: str, place: str, image: str | None, label: str | None) -> Records:
    """The records of a split; pictures are read in parts, when they are decoded.

    Args:
        splits: how to open each split that is there; the others are opened only for their labels' values.
        place: the path or repository, for messages.
        image, label: column names, or None to find them.

    Raises:
        DataError: a missing split, missing or ambiguous columns, labels that are absent or of no use.
    """
    _places.require_split(split, splits, place)
    table = splits[split]()
    image = choose(table.columns, image, IMAGE, "image", place)
    label = choose(table.columns, label, LABEL, "label", place)
    where = [f"{part.place} row {part.first + i}" for part in table.parts for i in range(part.rows)]
    if not where:
        raise DataError(f"{place}: split {_places.shown(split)} has no rows")
    numbers, names = _numbered(table, label, [splits[s] for s in splits if s != split], where)
    return Records(_pictures(table, image, where), numbers, names, where)


def choose(columns: Sequence[str], wanted: str | None, usual: Sequence[str], option: str, place: str) -> str:
    """The column that an option names, or the only one with a usual name."""
    choices = ", ".join(map(_places.shown, columns)) or "none"
    if wanted is not None and wanted not in columns:
        raise DataError(f'{place}: no column "{_places.shown(wanted)}" for the {option}; it has: {choices}')
    found = [wanted] if wanted is not None else [name for name in usual if name in columns]
    if len(found) == 1:
        return found[0]
    problem = f"{' and '.join(found)} could both be" if found else "no column has a usual name for"
    raise DataError(f"{place}: {problem} the {option}; set {option} to one of: {choices}")


def _numbered(
    table: Table, label: str, others: Sequence[Callable[[], Table]], where: Sequence[str]
) -> tuple[list[int], tuple[str, ...]]:
    values = _values(table, label)
    whole = all(isinstance(value, int) for value in values)
    if whole and label in table.names:
        return values, table.names[label]
    if whole:
        _labels.refuse_negative(values, where)
    elsewhere = [other for opened in others if label in (other := opened()).columns]
    every = {str(value) for other in elsewhere for value in _known(_values(other, label, missing=True))}
    return _labels.number([str(value) for value in values], every)


def _known(values: Sequence[Any]) -> list[Any]:
    """Labels without those that stand for none: other splits may be unlabeled."""
    return [v for v in values if v is not None and not (isinstance(v, int) and v < 0)]


def _values(table: Table, label: str, missing: bool = False) -> list[Any]:
    """Labels as int or str; None only where `missing` is allowed."""
    import pyarrow as pa  # only those who read tables wait for it

    found: list[Any] = []
    for part in table.parts:
        column = part.read(label)
        kind = column.type
        if not pa.types.is_integer(kind):
            column = _text(column, label, part.place)
        values = column.to_pylist()
        if not missing and column.null_count:
            raise DataError(f"{part.place} row {part.first + values.index(None)}: has no label")
        found += values
    return found


def _text(column: Any, label: str, place: str) -> Any:
    import pyarrow as pa

    kind = column.type
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not any(check(inner) for check in (pa.types.is_string, pa.types.is_large_string, pa.types.is_boolean)):
        raise DataError(f'{place}: labels in "{_places.shown(label)}" are {kind}, expected whole numbers or strings')
    return column.cast(pa.string())


def _pictures(table: Table, image: str, where: Sequence[str]) -> list[Callable[[], bytes]]:
    # One part is kept, so that rows read in order cost one reading of each part and no more memory than that.
    part = lru_cache(maxsize=1)(lambda number: _encoded(table.parts[number], image))
    rows = ((number, row) for number, part in enumerate(table.parts) for row in range(part.rows))
    return [partial(_bytes, part, *at, place) for at, place in zip(rows, where, strict=True)]


def _encoded(part: Part, image: str) -> Any:
    """The column's bytes as a pyarrow array of binary values, null where a row has none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = part.read(image)
    if pa.types.is_struct(column.type) and "bytes" in [field.name for field in column.type]:
        column = pc.struct_field(column, "bytes")
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        kind = _places.shown(column.type)
        raise DataError(f'{part.place}: column "{_places.shown(image)}" is {kind}, expected the bytes of image files')
    return column


def _bytes(part: Callable[[int], Any], number: int, row: int, where: str) -> bytes:
    value = part(number)[row].as_py()
    if value is None:
        raise DataError(f"{where}: no image bytes in this row; a path in a row is not followed")
    return bytes(value)
