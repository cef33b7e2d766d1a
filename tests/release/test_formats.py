"""Releases open in the libraries that people use, with the right labels, whatever the class names are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unlearn.datasets import ImageDataset
from unlearn.release.imagefolder import folders
from unlearn.release.verify import load, verify

from .conftest import NAMES, Make

HOSTILE = {
    "paths": ("../x", "a/b", "/etc"),
    "empty": ("", " ", "."),
    "windows": ("con", "NUL", "a:b"),
    "unicode": ("猫", "犬", "Äpfel"),
    "long": ("x" * 400, "x" * 300, "y" * 500),
    "case": ("Cat", "cat", "CAT"),
    "hidden": (".cache", "__pycache__", "~"),
    "splits": ("test", "train", "crash test"),
    "numbers": ("2", "10", "1"),
    "globs": ("*", "[a]", "{x,y}"),
    "lines": ("a\nb", "---", "'\""),
}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """`datasets` without network and without the user's cache."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    return tmp_path / "cache"


def same(table: object, data: ImageDataset) -> bool:
    images = [np.asarray(image).transpose(2, 0, 1) for image in table["image"]]  # type: ignore[index]
    return bool((np.stack(images) == data.images).all() and (np.array(table["label"]) == data.labels).all())  # type: ignore[index]


def test_load_dataset_restores_features_labels_and_order(
    release: Path, offline: Path, protected: ImageDataset, clean_test: ImageDataset
) -> None:
    import datasets

    read = datasets.load_dataset(str(release), cache_dir=str(offline))
    assert set(read) == {"train", "test"}
    assert same(read["train"], protected)
    assert same(read["test"], clean_test)
    assert read["train"].features["label"].names == list(NAMES)
    assert list(read["train"].features) == ["id", "image", "label"]
    assert len(set(read["train"]["id"])) == len(protected)


def test_the_imagefolder_builder_reads_labels(make: Make, offline: Path, protected: ImageDataset) -> None:
    import datasets

    folder = make(format="imagefolder")
    read = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(offline))
    assert set(read) == {"train", "test"}
    assert same(read["train"], protected)


def test_torchvision_reads_labels(make: Make) -> None:
    torchvision = pytest.importorskip("torchvision")
    folder = make(format="imagefolder")
    for split, data in load(folder).items():
        read = torchvision.datasets.ImageFolder(folder / split)
        by_number = {int(Path(path).stem): label for path, label in read.samples}
        assert [by_number[i] for i in range(len(data))] == data.labels.tolist()


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_class_names_become_safe_folders(kind: str) -> None:
    names = folders(HOSTILE[kind])
    assert names == sorted(names)
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        assert name.isascii()
        assert name.replace("-", "").replace("_", "").isalnum()
        assert name[0].isalnum()
        assert 0 < len(name) < 60


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_class_names_keep_their_labels(
    kind: str, make: Make, form: str, offline: Path, protected: ImageDataset, clean_test: ImageDataset
) -> None:
    import datasets

    names = HOSTILE[kind]
    if "/etc" in names:  # a class name that reads like a path inside a text is harmless with one part
        assert verify(make("paths", format=form, protected=replace(protected, names=names), test=None)) == []
    data = replace(protected, names=names)
    folder = make(format=form, protected=data, test=replace(clean_test, names=names))
    assert verify(folder) == []
    assert load(folder)["train"].names == names
    read = datasets.load_dataset(str(folder), cache_dir=str(offline))
    assert read["train"].features["label"].names == list(names)
    assert same(read["train"], data)
    if form == "imagefolder":
        plain = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(offline))
        assert {name: len(split) for name, split in plain.items()} == {"train": 12, "test": 6}


def test_folders_are_numbered_only_if_they_have_to_be() -> None:
    assert folders(("ant", "bee", "zebra")) == ["ant", "bee", "zebra"]
    assert folders(NAMES) == ["0-zebra", "1-ant", "2-bee"]
    assert folders([str(i) for i in range(11)])[10] == "10-10"
