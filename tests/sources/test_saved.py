"""Folders of save_to_disk."""

import json
from pathlib import Path
from typing import Any

import datasets as hf
import pytest

from unlearn import datasets
from unlearn.errors import DataError

from .conftest import levels, png


def stored(labels: list[Any], names: list[str] | None = None, split: str | None = None) -> hf.Dataset:
    label = hf.ClassLabel(names=names) if names else hf.Value("string" if isinstance(labels[0], str) else "int64")
    rows = {"image": [{"bytes": png(i), "path": None} for i in range(len(labels))], "label": labels}
    features = hf.Features({"image": hf.Image(), "label": label})
    return hf.Dataset.from_dict(rows, features=features, split=split)


def load(path: Path, split: str = "train", **options: Any) -> datasets.ImageDataset:
    return datasets.load("saved", split, path=str(path), **options)


def test_dictionary_of_splits(tmp_path: Path) -> None:
    both = hf.DatasetDict({"train": stored([1, 0, 2], ["c", "a", "b"]), "test": stored([0, 2], ["c", "a", "b"])})
    both.save_to_disk(tmp_path / "set")
    train, test = load(tmp_path / "set"), load(tmp_path / "set", "test")
    assert train.names == test.names == ("c", "a", "b")
    assert train.labels.tolist() == [1, 0, 2]
    assert levels(train.images) == [0, 1, 2]
    assert test.labels.tolist() == [0, 2]
    with pytest.raises(DataError, match=r'^split "val" is missing in .*set; it has: test, train$'):
        load(tmp_path / "set", "val")


def test_string_labels_count_over_all_splits(tmp_path: Path) -> None:
    both = hf.DatasetDict({"train": stored(["b", "a", "c"]), "test": stored(["c", "b"])})
    both.save_to_disk(tmp_path / "set")
    assert load(tmp_path / "set", "test").labels.tolist() == [2, 1]


@pytest.mark.parametrize(("said", "split"), [(None, "train"), ("test", "test"), ("validation", "validation")])
def test_single_set_is_its_own_split(tmp_path: Path, said: str | None, split: str) -> None:
    stored([1, 0], split=said).save_to_disk(tmp_path / "set")
    assert load(tmp_path / "set", split).labels.tolist() == [1, 0]
    with pytest.raises(DataError, match=f"it has: {split}$"):
        load(tmp_path / "set", "other")


def test_parts_are_joined_in_order(tmp_path: Path) -> None:
    stored([i % 2 for i in range(600)]).save_to_disk(tmp_path / "set")
    data = load(tmp_path / "set")
    assert levels(data.images) == [i % 256 for i in range(256)] + [min(i, 255) for i in range(256, 600)]


def test_path_in_a_row_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png(9))
    rows = {"image": [{"bytes": png(0), "path": None}, {"bytes": None, "path": str(tmp_path / "secret.png")}]}
    struct = hf.Features(
        {"image": {"bytes": hf.Value("binary"), "path": hf.Value("string")}, "label": hf.Value("int64")}
    )
    hf.Dataset.from_dict({**rows, "label": [0, 1]}, features=struct).save_to_disk(tmp_path / "set")
    with pytest.raises(DataError, match=r"row 1: no image bytes in this row; a path in a row is not followed"):
        load(tmp_path / "set")


def test_folder_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not a readable save_to_disk folder"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["../other.arrow", "/etc/hostname", "a\\b.arrow", "..", "", 5])
def test_names_inside_cannot_lead_elsewhere(tmp_path: Path, name: object) -> None:
    stored([1, 0]).save_to_disk(tmp_path / "set")
    state = tmp_path / "set" / "state.json"
    content = json.loads(state.read_text())
    content["_data_files"] = [{"filename": name}]
    state.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"set/state\.json: .* is not a plain name inside the folder"):
        load(tmp_path / "set")


def test_split_names_inside_cannot_lead_elsewhere(tmp_path: Path) -> None:
    hf.DatasetDict({"train": stored([1, 0])}).save_to_disk(tmp_path / "set")
    (tmp_path / "set" / "dataset_dict.json").write_text('{"splits": ["../other"]}')
    with pytest.raises(DataError, match=r"dataset_dict\.json: .* is not a plain name"):
        load(tmp_path / "set")


def test_damaged_arrow_file(tmp_path: Path) -> None:
    stored([1, 0]).save_to_disk(tmp_path / "set")
    arrow = next((tmp_path / "set").glob("*.arrow"))
    arrow.write_bytes(b"no arrow")
    with pytest.raises(DataError, match=r"not a readable save_to_disk folder"):
        load(tmp_path / "set")
