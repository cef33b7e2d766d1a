"""Ways to spoil a release: `edit` changes the stored rows of any format and makes the checksums right."""

import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from PIL import Image

from unlearn import images
from unlearn.datasets import ImageDataset
from unlearn.release import parquet, tree
from unlearn.release.imagefolder import METADATA, folders
from unlearn.release.stored import Identities
from unlearn.release.verify import verify

from .conftest import NAMES

Rows = list[dict[str, Any]]
Edit = Callable[[Rows], Any]


def _parquet(folder: Path, split: str, edit: Edit) -> None:
    path = folder / "data" / f"{split}-00000-of-00001.parquet"
    schema = parquet._schema(NAMES)
    stored = pyarrow.parquet.read_table(path).to_pylist()
    rows = [{"id": r["id"], "label": r["label"], **(r["image"] or {})} for r in stored]
    edit(rows)
    values = [{"id": r["id"], "label": r["label"], "image": {"bytes": r["bytes"], "path": r["path"]}} for r in rows]
    rewrite(path, pyarrow.Table.from_pylist(values, schema=schema))


def rewrite(path: Path, table: pyarrow.Table, **metadata: str) -> None:
    """Write a table as a release's shard, with further metadata."""
    with pyarrow.parquet.ParquetWriter(path, table.schema, **parquet._OPTIONS) as writer:
        writer.add_key_value_metadata({**parquet._schema(NAMES).metadata, **metadata})
        writer.write_table(table)


def _imagefolder(folder: Path, split: str, edit: Edit) -> None:
    metadata = folder / split / METADATA
    rows: Rows = []
    for line in metadata.read_text().splitlines():
        row = json.loads(line)
        parent, _, name = row.pop("file_name").rpartition("/")
        rows.append({**row, "path": name, "parent": parent, "bytes": (folder / split / parent / name).read_bytes()})
        (folder / split / parent / name).unlink()
    edit(rows)
    lines = []
    for row in rows:
        parent = folders(NAMES)[row["label"]] if row["label"] in (0, 1, 2) else row["parent"]
        plain = isinstance(row["path"], str) and row["path"].endswith(".png") and "/" not in row["path"]
        if plain and row["bytes"] is not None and ":" not in row["path"]:
            (folder / split / parent / row["path"]).write_bytes(row["bytes"])
        file_name = row["path"] if str(row["path"]).startswith("/") else f"{parent}/{row['path']}"
        lines.append(json.dumps({"file_name": file_name, "label": row["label"], "id": row["id"]}) + "\n")
    metadata.write_text("".join(lines))


def edit(folder: Path, form: str, change: Edit, split: str = "train") -> None:
    """Change the rows of a split in place and make the checksums right again."""
    {"parquet": _parquet, "imagefolder": _imagefolder}[form](folder, split, change)
    tree.write_sums(folder)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(kind: bytes, body: bytes):  # type: ignore[no-untyped-def]
    """An edit that puts a chunk behind the header of the first image."""
    return lambda rows: rows[0].update(bytes=rows[0]["bytes"][:33] + chunk(kind, body) + rows[0]["bytes"][33:])


def saved_with(**options: Any):  # type: ignore[no-untyped-def]
    """An edit that saves the first image again, with Pillow's options for metadata."""

    def change(rows: Rows) -> None:
        stream = io.BytesIO()
        Image.open(io.BytesIO(rows[0]["bytes"])).save(stream, format="PNG", **options)
        rows[0]["bytes"] = stream.getvalue()

    return change


def exif() -> Image.Exif:
    tags = Image.Exif()
    tags[0x010F] = "anna's camera"
    return tags


def with_image(pixels_: images.Pixels):  # type: ignore[no-untyped-def]
    """An edit that replaces the first image, with the right id."""
    return lambda rows: rows[0].update(bytes=images.png(pixels_), id=Identities().of(pixels_))


def with_value(**values: Any):  # type: ignore[no-untyped-def]
    return lambda rows: rows[0].update(values)


def not_an_image(rows: Rows) -> None:
    rows[0]["bytes"] = b"\xff\xd8\xff\xe0" + bytes(100)


def flipped(data: bytes) -> bytes:
    """The checksum of the picture's data changed, the data themselves not."""
    return data[:-16] + bytes([data[-16] ^ 1]) + data[-15:]


def assert_found(folder: Path, *expected: str, **clean: ImageDataset) -> None:
    """Every expected text is part of a finding, and there are no others."""
    found = [str(finding) for finding in verify(folder, **clean)]
    missing = [text for text in expected if not any(text in line for line in found)]
    assert not missing, f"{missing} not in {found}"
    assert all(any(text in line for text in expected) for line in found), found
