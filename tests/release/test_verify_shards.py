"""Rules of `verify` about parquet files: columns, metadata, lost and damaged shards."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from unlearn.datasets import ImageDataset
from unlearn.errors import ReleaseError
from unlearn.release import tree
from unlearn.release.verify import load, verify

from .conftest import NAMES, Make, pixels
from .plant import assert_found, rewrite


def shard(folder: Path) -> tuple[Path, Any]:
    path = folder / "data" / "train-00000-of-00001.parquet"
    return path, pyarrow.parquet.read_table(path)


def test_a_further_column_is_found(make: Make) -> None:
    path, table = shard(folder := make())
    rewrite(path, table.append_column("clean_image", table["image"]))
    tree.write_sums(folder)
    assert_found(folder, 'column "clean_image" is not part of a release')


def test_a_missing_column_is_found(make: Make) -> None:
    path, table = shard(folder := make())
    rewrite(path, table.drop(["label"]))
    tree.write_sums(folder)
    assert_found(folder, "column label is missing", "0 samples", "0 of label")


def test_parquet_metadata_is_searched(make: Make) -> None:
    path, table = shard(folder := make())
    rewrite(path, table, note="seed: 17", history="read /home/anna/cats")
    tree.write_sums(folder)
    keys = ('metadata key "note"', 'metadata key "history"')
    assert_found(folder, *keys, "'seed:'", "absolute path in the text: '/home/anna'")


def test_other_class_names_inside_are_found(make: Make) -> None:
    folder = make()
    record = (folder / "release.json").read_text()
    (folder / "release.json").write_text(record.replace('"zebra"', '"horse"'))
    tree.write_sums(folder)
    assert_found(folder, "class names or features differ from release.json")


def test_a_lost_shard_is_found(make: Make) -> None:
    many = ImageDataset(pixels(250), np.arange(250) % 3, NAMES)
    folder = make(protected=many, test=None, mask=np.ones(250, dtype=bool), shard_bytes=1000)
    (folder / "data" / "train-00001-of-00003.parquet").unlink()
    tree.write_sums(folder)
    assert_found(folder, "shard 1 of train is missing", "150 samples, release.json says 250", "of label")
    clean = verify(folder, many)
    assert sum(f.problem == "clean copy" for f in clean) == 150  # the rows after the gap are compared rightly


def test_shards_of_two_numberings_are_found(make: Make) -> None:
    path, _ = shard(folder := make())
    (folder / "data" / "train-00001-of-00002.parquet").write_bytes(path.read_bytes())
    tree.write_sums(folder)
    assert "data: shards of train say [1, 2] about their number" in map(str, verify(folder))


@pytest.mark.parametrize("keep", [0, 100, 2000])
def test_a_damaged_file_is_a_finding(make: Make, keep: int) -> None:
    path, _ = shard(folder := make())
    path.write_bytes(path.read_bytes()[:keep])
    tree.write_sums(folder)
    assert_found(folder, "not readable", "0 samples", "0 of label")
    with pytest.raises(ReleaseError, match="not readable"):
        load(folder)


def test_damage_inside_a_shard_is_a_finding(make: Make) -> None:
    path, _ = shard(folder := make())
    data = path.read_bytes()
    for start in range(4, len(data), 97):
        path.write_bytes(data[:start] + bytes(b ^ 0xFF for b in data[start : start + 8]) + data[start + 8 :])
        assert verify(folder)[0].problem.startswith("does not have the SHA-256")
