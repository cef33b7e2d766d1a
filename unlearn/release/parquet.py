"""Releases as parquet shards under data/: image bytes inside, features restored by `datasets.load_dataset`.

The image column is written by ourselves as {"bytes", "path"}: `Dataset.to_parquet` on image files embeds
nothing and stores the absolute local path instead.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from unlearn.release.stored import Finding, Row

ROW_GROUP = 100
COLUMNS = ["id", "image", "label"]
# Fixed, so that equal rows give equal bytes. Statistics would repeat whole images in the footer; the Arrow
# schema in base64 would be a text that nobody can search, so the features are added as a key of their own.
_OPTIONS: dict[str, Any] = {
    "compression": "snappy",
    "version": "2.6",
    "write_statistics": False,
    "use_dictionary": False,
    "store_schema": False,
}


def data_files(split: str) -> str:
    """The pattern of a split's files, for the card."""
    return f"data/{split}-*"


def belongs(path: str, split: str, classes: Sequence[str]) -> bool:
    """Whether a file of this relative path is part of a split."""
    return bool(re.fullmatch(rf"data/{split}-[0-9]{{5}}-of-[0-9]{{5}}\.parquet", path))


def write(folder: Path, split: str, rows: Iterator[Row], classes: Sequence[str], shard_bytes: int) -> None:
    """Write a split in shards of about `shard_bytes`, holding one row group in memory."""
    (folder / "data").mkdir(exist_ok=True)
    schema = _schema(classes)
    parts: list[Path] = []
    groups = _groups(rows)
    for first in groups:
        parts.append(folder / "data" / f"{split}-{len(parts):05d}.part")
        _write_shard(parts[-1], schema, itertools.chain([first], groups), shard_bytes)
    for number, part in enumerate(parts):
        part.rename(part.with_name(f"{split}-{number:05d}-of-{len(parts):05d}.parquet"))


def _schema(classes: Sequence[str]) -> Any:
    import datasets  # slow import, needed here only

    features = {
        "id": datasets.Value("string"),
        "image": datasets.Image(),
        "label": datasets.ClassLabel(names=list(classes)),
    }
    return datasets.Features(features).arrow_schema


def _groups(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while group := list(itertools.islice(rows, ROW_GROUP)):
        yield group


def _write_shard(path: Path, schema: Any, groups: Iterator[list[Row]], shard_bytes: int) -> None:
    """Take row groups until the shard is full."""
    import pyarrow
    import pyarrow.parquet

    size = 0
    with pyarrow.parquet.ParquetWriter(path, schema, **_OPTIONS) as writer:
        writer.add_key_value_metadata(schema.metadata)
        for group in groups:
            values = [{"id": r.id, "image": {"bytes": r.data, "path": r.path}, "label": r.label} for r in group]
            writer.write_table(pyarrow.Table.from_pylist(values, schema=schema), row_group_size=ROW_GROUP)
            size += sum(len(r.data) for r in group)
            if size >= shard_bytes:
                return


def read(folder: Path, split: str, classes: Sequence[str]) -> Iterator[Row | Finding]:
    """The rows of a split in order; what cannot be read comes as a finding."""
    shards = _shards(folder, split)
    yield from _missing(shards, split)
    for path in shards:
        place = path.relative_to(folder).as_posix()
        try:
            yield from _read_shard(path, place, classes)
        except Exception as error:  # a damaged parquet file raises nearly anything
            yield Finding(place, f"not readable ({_reason(error, folder)})")


def _shards(folder: Path, split: str) -> list[Path]:
    found = sorted((folder / "data").glob(f"{split}-*.parquet"))
    return [path for path in found if belongs(f"data/{path.name}", split, ()) and not path.is_symlink()]


def _missing(shards: list[Path], split: str) -> Iterator[Finding]:
    numbers = [tuple(map(int, path.stem.split("-")[1::2])) for path in shards]
    totals = {total for _, total in numbers}
    if len(totals) != 1:
        yield Finding("data", f"shards of {split} say {sorted(totals) or 'nothing'} about their number")
    for number in sorted(set(range(min(totals, default=0))) - {number for number, _ in numbers}):
        yield Finding("data", f"shard {number} of {split} is missing")


def _read_shard(path: Path, place: str, classes: Sequence[str]) -> Iterator[Row | Finding]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        yield from (Finding(place, problem) for problem in _additions(file, classes))
        wrong = list(_wrong_columns(file, classes))
        yield from (Finding(place, problem) for problem in wrong)
        if wrong:
            return
        batches = file.iter_batches(batch_size=ROW_GROUP, columns=COLUMNS)
        values = itertools.chain.from_iterable(batch.to_pylist() for batch in batches)
        for number, value in enumerate(values):
            image = value["image"] or {"bytes": None, "path": None}
            yield Row(f"{place} row {number}", image["bytes"], image["path"], value["label"], value["id"])


def _wrong_columns(file: Any, classes: Sequence[str]) -> Iterator[str]:
    found = {field.name: field.type for field in file.schema_arrow}
    for field in _schema(classes):
        if found.get(field.name) != field.type:
            yield f"column {field.name} is {found.get(field.name, 'missing')}, expected {field.type}"


def _additions(file: Any, classes: Sequence[str]) -> Iterator[str]:
    for name in sorted(set(file.schema_arrow.names) - set(COLUMNS)):
        yield f'column "{name}" is not part of a release'
    metadata = file.metadata.metadata or {}
    for key in sorted(metadata.keys() - {b"huggingface"}):
        yield f'metadata key "{key.decode("utf-8", "replace")}" is not part of a release'
    if metadata.get(b"huggingface") != _schema(classes).metadata[b"huggingface"]:
        yield "class names or features differ from release.json"


def texts(folder: Path, split: str) -> Iterator[tuple[str, str]]:
    """The words inside the files, with their places: parquet metadata."""
    import pyarrow.parquet

    for path in _shards(folder, split):
        place = f"{path.relative_to(folder).as_posix()} metadata"
        try:
            metadata = pyarrow.parquet.read_metadata(path)
        except Exception:  # reported by `read`, with its reason
            continue
        yield place, metadata.created_by
        for key, value in (metadata.metadata or {}).items():
            yield place, f"{key.decode('utf-8', 'replace')}: {value.decode('utf-8', 'replace')}"


def _reason(error: Exception, folder: Path) -> str:
    first = str(error).split("\n")[0].replace(str(folder), "")
    return first[:120] or type(error).__name__
