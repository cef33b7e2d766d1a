"""Parquet files: the shared development set, and files made here, whole and damaged."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unlearn import datasets
from unlearn.errors import DataError

from .conftest import huge_png, levels, png, shared


def write(
    file: Path,
    labels: Sequence[Any],
    *,
    images: Sequence[Any] | None = None,
    names: Sequence[str] | None = None,
    columns: tuple[str, str] = ("image", "label"),
    rows: int = 2,
    more: Mapping[str, Sequence[Any]] = MappingProxyType({}),
) -> None:
    """A file of gray levels 0, 1, 2, ... in row groups of `rows`."""
    pictures = images or [{"bytes": png(i), "path": f"{i}.png"} for i in range(len(labels))]
    table = pa.table({columns[0]: pictures, columns[1]: labels, **more})
    if names:
        features = {columns[1]: {"names": list(names), "_type": "ClassLabel"}, columns[0]: {"_type": "Image"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, file, row_group_size=rows)


def load(path: Path, split: str = "train", **options: Any) -> datasets.ImageDataset:
    return datasets.load("parquet", split, path=str(path), **options)


def test_cifar10_mini() -> None:
    root = shared("cifar10-mini")
    train, test = load(root), load(root, "test")
    assert train.images.shape == (5000, 3, 32, 32)
    assert test.images.shape == (1000, 3, 32, 32)
    assert train.names == test.names
    assert train.names[:2] == ("airplane", "automobile")
    assert train.counts().tolist() == [500] * 10


def test_names_from_metadata_and_rows_in_order(tmp_path: Path) -> None:
    write(tmp_path / "data" / "train-00000-of-00002.parquet", [2, 0, 1], names=["x", "a", "m"])
    write(tmp_path / "data" / "train-00001-of-00002.parquet", [0, 0, 1], names=["x", "a", "m"])
    data = load(tmp_path)
    assert data.names == ("x", "a", "m")
    assert data.labels.tolist() == [2, 0, 1, 0, 0, 1]
    assert levels(data.images) == [0, 1, 2, 0, 1, 2]


def test_string_labels_count_over_all_splits(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", ["dog", "cat", "emu"])
    write(tmp_path / "test.parquet", ["emu", "dog"])
    assert load(tmp_path).labels.tolist() == [1, 0, 2]
    assert load(tmp_path, "test").labels.tolist() == [2, 1]
    assert load(tmp_path, "test").names == ("cat", "dog", "emu")


def test_dictionary_labels_are_strings(tmp_path: Path) -> None:
    labels = pa.array(["b", "a", "b"]).dictionary_encode()
    write(tmp_path / "train.parquet", labels)
    assert load(tmp_path).labels.tolist() == [1, 0, 1]


def test_whole_numbers_without_names(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", [10, 2, 9, 2])
    write(tmp_path / "test.parquet", [2, 9, -1, None])
    data = load(tmp_path)
    assert data.names == ("2", "9", "10")
    assert data.labels.tolist() == [2, 0, 1, 0]


def test_other_split_without_labels_does_no_harm(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", [0, 1])
    write(tmp_path / "test.parquet", [0, 1], columns=("image", "id"))
    assert load(tmp_path).names == ("0", "1")
    with pytest.raises(DataError, match=r"no column has a usual name for the label; set label to one of: image, id"):
        load(tmp_path, "test")


def test_plain_binary_and_single_file(tmp_path: Path) -> None:
    write(tmp_path / "any name.parquet", [1, 0], images=[png(5), png(6)], columns=("img", "fine_label"))
    data = load(tmp_path / "any name.parquet")
    assert levels(data.images) == [5, 6]
    with pytest.raises(DataError, match=r'split "test" is missing in .*any name.parquet; it has: train'):
        load(tmp_path / "any name.parquet", "test")


def test_columns_by_option_ambiguous_and_missing(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", [0, 1], more={"labels": [1, 0], "label2": [1, 1]})
    with pytest.raises(DataError, match=r"label and labels could both be the label; set label to one of: image, "):
        load(tmp_path)
    assert load(tmp_path, label="labels").labels.tolist() == [1, 0]
    with pytest.raises(DataError, match=r'no column "tag" for the label; it has: image, label, labels, label2'):
        load(tmp_path, label="tag")
    with pytest.raises(DataError, match=r'column "label" is int64, expected the bytes'):
        load(tmp_path, image="label", label="labels")


def test_missing_split_names_those_that_are_there(tmp_path: Path) -> None:
    write(tmp_path / "train-0.parquet", [0, 1])
    with pytest.raises(DataError, match=r'^split "test" is missing in .*; it has: train$'):
        load(tmp_path, "test")


def test_folder_without_parquet(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no parquet files; expected <split>-\*\.parquet"):
        load(tmp_path)


def test_half_of_the_shards(tmp_path: Path) -> None:
    write(tmp_path / "train-00000-of-00003.parquet", [0, 1])
    write(tmp_path / "train-00002-of-00003.parquet", [0, 1])
    with pytest.raises(DataError, match=r"2 of 3 shards are there"):
        load(tmp_path)


def test_path_in_a_row_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png(9))
    rows = [{"bytes": png(1), "path": None}, {"bytes": None, "path": str(tmp_path / "secret.png")}, None]
    write(tmp_path / "train.parquet", [0, 1, 1], images=rows)
    with pytest.raises(DataError) as error:
        load(tmp_path)
    lines = str(error.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["train.parquet row 1", "train.parquet row 2"]
    assert "a path in a row is not followed" in lines[0]
    assert "secret" not in str(error.value)


def test_damaged_pictures_are_named_by_row(tmp_path: Path) -> None:
    rows = [png(1), png(2)[:40], b"text", huge_png(), b""]
    write(tmp_path / "train.parquet", [0, 1, 1, 0, 0], images=rows)
    with pytest.raises(DataError) as error:
        load(tmp_path)
    assert [line.partition(":")[0] for line in str(error.value).splitlines()] == [
        f"train.parquet row {i}" for i in (1, 2, 3, 4)
    ]


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        ([0, 3, 1], ["a", "b"], r"train\.parquet row 1: label 3 is out of range 0\.\.1"),
        ([0, -1, 1], ["a", "b"], r"train\.parquet row 1: label -1 is out of range"),
        ([0, 1, -1], None, r"train\.parquet row 2: label -1 is negative"),
        ([0, None, 1], None, r"train\.parquet row 1: has no label"),
        ([0.5, 1.0], None, r"labels in \"label\" are double, expected whole numbers or strings"),
        ([[0], [1]], None, r"labels in \"label\" are list"),
        ([1, 1], None, r"one class only \(1\)"),
        (pa.array([], pa.int64()), None, r"split train has no rows"),
    ],
)
def test_labels_of_no_use(tmp_path: Path, labels: Sequence[Any], names: Sequence[str] | None, message: str) -> None:
    images = pa.array([], pa.binary()) if len(labels) == 0 else None
    if images is not None:
        pq.write_table(pa.table({"image": images, "label": labels}), tmp_path / "train.parquet")
    else:
        write(tmp_path / "train.parquet", labels, names=names)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_files_that_are_not_parquet(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_text("PAR1 not really PAR1")
    with pytest.raises(DataError, match=r"train\.parquet: not a readable parquet file"):
        load(tmp_path)


def test_damage_inside_a_row_group(tmp_path: Path) -> None:
    file = tmp_path / "train.parquet"
    write(file, [0, 1] * 20, rows=10)
    content = bytearray(file.read_bytes())
    content[40 : len(content) // 2] = bytes(len(content) // 2 - 40)
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"train\.parquet"):
        load(tmp_path)


@pytest.mark.parametrize("metadata", ["{", "[]", '{"info": null}', '{"info": {"features": {"label": {"names": 5}}}}'])
def test_damaged_metadata_counts_as_none(tmp_path: Path, metadata: str) -> None:
    table = pa.table({"image": [png(1), png(2)], "label": [0, 1]}).replace_schema_metadata({"huggingface": metadata})
    pq.write_table(table, tmp_path / "train.parquet")
    assert load(tmp_path).names == ("0", "1")


def test_shard_that_lacks_a_column(tmp_path: Path) -> None:
    write(tmp_path / "train-0.parquet", [0, 1])
    write(tmp_path / "train-1.parquet", [0, 1], columns=("image", "other"))
    with pytest.raises(DataError, match=r'train-1\.parquet: no column "label", which other shards have'):
        load(tmp_path)


def test_pictures_are_read_a_row_group_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "train.parquet", [0, 1] * 6, rows=4)
    reads: list[tuple[int, tuple[str, ...]]] = []
    real = pq.ParquetFile.read_row_group

    def spy(self: Any, group: int, columns: Sequence[str], **options: Any) -> Any:
        reads.append((group, tuple(columns)))
        return real(self, group, columns=columns, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", spy)
    assert np.array_equal(levels(load(tmp_path).images), range(12))
    assert [group for group, columns in reads if columns == ("image",)] == [0, 1, 2]
    assert {columns for _, columns in reads} == {("image",), ("label",)}
