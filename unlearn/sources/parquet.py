"""Parquet files in the Hugging Face layout: a folder with <split>-*.parquet (also in data/), or one file."""

import json
import re
from collections import Counter
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from unlearn.datasets import Records
from unlearn.errors import DataError
from unlearn.sources import _columns, _places

_SHARD = re.compile(r"(?P<split>[^-]+)(-.*)?\.parquet")
_COUNT = re.compile(r"-\d+-of-(\d+)\.parquet$")


def parquet(split: str, *, path: str, image: str | None = None, label: str | None = None) -> Records:
    """Read images stored as bytes, with class names from the Hugging Face metadata where there are any.

    Args:
        path: a folder, or a single file, which is then the split "train".
        image, label: column names; found by their usual names when left out.

    Raises:
        DataError: no such path or split, shards that are absent, unusable columns.
    """
    files = _files(path)
    splits = {name: partial(_table, shards) for name, shards in files.items()}
    return _columns.records(splits, split, _places.shown(path), image, label)


def _files(path: str) -> dict[str, list[Path]]:
    place = Path(path).expanduser()
    if place.is_file():
        return {"train": [place]}
    root = _places.folder(path)
    found: dict[str, list[Path]] = {}
    for folder in (root, root / "data"):
        here: dict[str, list[Path]] = {}
        for file in sorted(folder.glob("*.parquet")):
            if (match := _SHARD.fullmatch(file.name)) and not file.name.startswith("."):
                here.setdefault(match["split"], []).append(file)
        found = {**here, **found}
    for shards in found.values():
        _check_complete(shards)
    if not found:
        raise DataError(f"{_places.shown(path)}: no parquet files; expected <split>-*.parquet here or in data/")
    return found


def _check_complete(shards: list[Path]) -> None:
    """Shards say how many they are; half a data set would be used without a word otherwise."""
    said = Counter(int(match[1]) for file in shards if (match := _COUNT.search(file.name)))
    for count, there in said.items():
        if there != count:
            raise DataError(f"{_places.shown(shards[0].name)}: {there} of {count} shards are there")


def _table(shards: list[Path]) -> _columns.Table:
    import pyarrow.parquet as pq  # only those who read tables wait for it

    files = [_guarded(file, partial(pq.ParquetFile, file)) for file in shards]
    parts = [
        part for path, file in zip(shards, files, strict=True) for part in _guarded(path, partial(_parts, path, file))
    ]
    schema = files[0].schema_arrow
    return _columns.Table(tuple(schema.names), _class_names(schema.metadata or {}), tuple(parts))


def _parts(path: Path, file: Any) -> list[_columns.Part]:
    rows = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
    place = _places.shown(path.name)
    return [
        _columns.Part(place, first, n, partial(_column, path, file, i))
        for i, (first, n) in enumerate(zip(accumulate(rows, initial=0), rows, strict=False))
    ]


def _column(path: Path, file: Any, group: int, name: str) -> Any:
    if name not in file.schema_arrow.names:
        raise DataError(f'{_places.shown(path.name)}: no column "{_places.shown(name)}", which other shards have')
    return _guarded(path, lambda: file.read_row_group(group, columns=[name], use_threads=False).column(name))


def _guarded(path: Path, read: Any) -> Any:
    import pyarrow as pa

    try:
        return read()
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        name, why = _places.shown(path.name), _places.reason(error)
        raise DataError(f"{name}: not a readable parquet file ({why})") from error


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """Names of the ClassLabel columns; metadata that is damaged counts as none."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        labels = {name: f["names"] for name, f in features.items() if isinstance(f, dict) and "names" in f}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}
    return {k: tuple(v) for k, v in labels.items() if isinstance(v, list) and all(isinstance(n, str) for n in v)}
