"""Metadata files beside images: what they say, and where they try to lead."""

import json
from pathlib import Path

import pytest

from unlearn.errors import DataError

from .conftest import levels, png
from .test_imagefolder import load


def write_jsonl(folder: Path, rows: list[object]) -> None:
    (folder / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n")


def flat(tmp_path: Path) -> Path:
    folder = tmp_path / "flat" / "train"
    folder.mkdir(parents=True)
    for i in range(3):
        (folder / f"{i}.png").write_bytes(png(i))
    return folder


def test_metadata_in_the_split_folder(tmp_path: Path) -> None:
    folder = flat(tmp_path)
    write_jsonl(folder, [{"file_name": f"{i}.png", "label": name} for i, name in ((2, "b"), (0, "a"), (1, "b"))])
    data = load(folder.parent)
    assert data.names == ("a", "b")
    assert data.labels.tolist() == [1, 0, 1]
    assert levels(data.images) == [2, 0, 1]


def test_metadata_csv_in_the_root_with_numbers_in_their_order(tmp_path: Path) -> None:
    folder = flat(tmp_path)
    rows = ["file_name,label", *(f'"train/{i}.png",{label}' for i, label in ((0, 10), (1, 9), (2, 10)))]
    (folder.parent / "metadata.csv").write_text("\r\n".join(rows))
    data = load(folder.parent)
    assert data.names == ("9", "10")
    assert data.labels.tolist() == [1, 0, 1]


def test_metadata_without_labels_leaves_the_class_folders(tree: Path) -> None:
    write_jsonl(tree / "train", [{"file_name": "cat/0.png", "text": "a cat"}])
    assert load(tree).labels.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    "name",
    ["../../secret.png", "/etc/hostname", "C:\\x.png", "a\\..\\..\\x.png", "\\\\host\\x.png", "x\0.png"],
)
def test_metadata_paths_stay_inside(tmp_path: Path, name: str) -> None:
    folder = flat(tmp_path)
    (tmp_path / "secret.png").write_bytes(png(200))
    write_jsonl(folder, [{"file_name": "0.png", "label": "a"}, {"file_name": name, "label": "b"}])
    with pytest.raises(DataError, match=r"train/metadata\.jsonl line 2: .* is not a plain path") as error:
        load(folder.parent)
    assert len(str(error.value).splitlines()) == 1


def test_metadata_path_through_a_link_out(tmp_path: Path) -> None:
    folder = flat(tmp_path)
    (tmp_path / "secret.png").write_bytes(png(200))
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    write_jsonl(folder, [{"file_name": "0.png", "label": "a"}, {"file_name": "link.png", "label": "b"}])
    with pytest.raises(DataError, match="leads out of"):
        load(folder.parent)


def test_metadata_file_that_is_a_link_out(tmp_path: Path) -> None:
    folder = flat(tmp_path)
    write_jsonl(tmp_path, [{"file_name": "0.png", "label": "a"}, {"file_name": "1.png", "label": "b"}])
    (folder / "metadata.jsonl").symlink_to(tmp_path / "metadata.jsonl")
    with pytest.raises(DataError, match="leads out of"):
        load(folder.parent)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"file_name": "gone.png", "label": "a"}, 'no such file "gone.png"'),
        ({"label": "a"}, "has no file_name"),
        ({"file_name": "1.png"}, "neither a string nor a whole number"),
        ({"file_name": "1.png", "label": [1]}, "neither a string nor a whole number"),
        ({"file_name": "1.png", "label": -1}, "is negative"),
        ({"file_name": "1.png", "label": "\ud800"}, "not UTF-8"),
        ([1, 2], "has no file_name"),
    ],
)
def test_metadata_rows_of_no_use(tmp_path: Path, row: object, message: str) -> None:
    folder = flat(tmp_path)
    write_jsonl(folder, [{"file_name": "0.png", "label": "a"}, row])
    with pytest.raises(DataError, match=rf"line 2: .*{message}"):
        load(folder.parent)


@pytest.mark.parametrize("text", ["{broken", "[" * 100_000])
def test_metadata_that_is_not_json(tmp_path: Path, text: str) -> None:
    folder = flat(tmp_path)
    (folder / "metadata.jsonl").write_text(text)
    with pytest.raises(DataError, match=r"train/metadata\.jsonl line 1: not JSON"):
        load(folder.parent)
