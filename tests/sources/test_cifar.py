"""CIFAR and SVHN from official files; the binary ones are made here, two images a file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unlearn import datasets
from unlearn.errors import DataError


def load(source: str, path: Path, split: str = "train", **options: Any) -> datasets.ImageDataset:
    return datasets.load(source, split, path=str(path), **options)


def records(labels: list[list[int]], start: int) -> bytes:
    pixels = [np.full(3072, start + i, np.uint8) for i in range(len(labels))]
    return b"".join(bytes(row) + image.tobytes() for row, image in zip(labels, pixels, strict=True))


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    (folder / "batches.meta.txt").write_text("\n".join(f"name{i}" for i in range(10)) + "\n\n")
    for i in range(1, 6):
        (folder / f"data_batch_{i}.bin").write_bytes(records([[i], [9 - i]], 10 * i))
    (folder / "test_batch.bin").write_bytes(records([[3], [0]], 100))
    return tmp_path


def test_binary_cifar10(ten: Path) -> None:
    train, test = load("cifar10", ten), load("cifar10", ten, "test")
    assert train.images.shape == (10, 3, 32, 32)
    assert train.labels.tolist() == [1, 8, 2, 7, 3, 6, 4, 5, 5, 4]
    assert train.images[:, 0, 0, 0].tolist() == [10, 11, 20, 21, 30, 31, 40, 41, 50, 51]
    assert train.names[3] == "name3"
    assert len(train.names) == 10
    assert test.labels.tolist() == [3, 0]


def test_planes_are_red_green_blue(ten: Path) -> None:
    pixels = np.arange(3072, dtype=np.uint32).astype(np.uint8)
    content = bytes([1]) + pixels.tobytes() + bytes([2]) + pixels.tobytes()
    (ten / "cifar-10-batches-bin" / "test_batch.bin").write_bytes(content)
    assert np.array_equal(load("cifar10", ten, "test").images[0], pixels.reshape(3, 32, 32))


def test_binary_cifar100_takes_the_fine_label(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    (folder / "fine_label_names.txt").write_text("\n".join(f"fine_{i}" for i in range(100)))
    (folder / "train.bin").write_bytes(records([[1, 99], [2, 50]], 0))
    (folder / "test.bin").write_bytes(records([[1, 7], [2, 8]], 0))
    data = load("cifar100", tmp_path)
    assert data.labels.tolist() == [99, 50]
    assert data.names[99] == "fine_99"


def test_damaged_batch_and_wrong_label(ten: Path) -> None:
    batch = ten / "cifar-10-batches-bin" / "data_batch_2.bin"
    content = batch.read_bytes()
    batch.write_bytes(content[:-1])
    with pytest.raises(DataError, match=r"data_batch_2\.bin: 6145 bytes, expected a multiple of 3073; damaged"):
        load("cifar10", ten)
    batch.write_bytes(bytes([12]) + content[1:])
    with pytest.raises(DataError, match=r"data_batch_2\.bin image 0: label 12 is out of range 0\.\.9"):
        load("cifar10", ten)
    batch.unlink()
    with pytest.raises(DataError, match=r"there is no cifar-10-batches-bin/data_batch_2\.bin; .*download=true"):
        load("cifar10", ten)


@pytest.mark.parametrize(("source", "python"), [("cifar10", "cifar-10-batches-py"), ("cifar100", "cifar-100-python")])
def test_nothing_there(tmp_path: Path, source: str, python: str) -> None:
    with pytest.raises(
        DataError, match=rf"there is neither {python}/ nor cifar-10.*; expected .*download=true fetches"
    ):
        load(source, tmp_path)
    with pytest.raises(DataError, match=r'^split "extra" is missing in cifar-10.*; it has: test, train$'):
        load(source, tmp_path, "extra")


def test_pickled_version_with_other_sums_is_not_opened(tmp_path: Path) -> None:
    import pickle

    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "boom",))

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"]:
        (folder / name).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataError, match="differ from the official ones, so they are not opened"):
        load("cifar10", tmp_path)
    assert not (tmp_path / "boom").exists()


def test_download_only_when_asked_and_only_the_binary_version(ten: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import utils

    calls: list[tuple[Any, Any]] = []

    def fetch(*args: Any, **kwargs: Any) -> None:
        calls.append((args, kwargs))
        raise OSError("no route")

    monkeypatch.setattr(utils, "download_and_extract_archive", fetch)
    load("cifar10", ten, download=True)
    assert not calls
    empty = ten / "empty"
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz was not fetched \(no route\)"):
        load("cifar10", empty, download=True)
    (args, kwargs), *_ = calls
    assert args[0].endswith("/cifar-10-binary.tar.gz")
    assert kwargs == {"md5": "c32a1d4ab5d03f1284b67883e8d87530"}


def test_svhn_missing_damaged_and_splits(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no extra_32x32\.mat, the official file of SVHN, which download=true fetches"):
        load("svhn", tmp_path, "extra")
    (tmp_path / "train_32x32.mat").write_bytes(b"another file")
    with pytest.raises(DataError, match=r"train_32x32\.mat is not the official file, or was not fetched"):
        load("svhn", tmp_path)
    with pytest.raises(DataError, match=r'^split "val" is missing in SVHN; it has: extra, test, train$'):
        load("svhn", tmp_path, "val")


def test_svhn_digits_come_in_torchvisions_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.io import savemat
    from torchvision.datasets import SVHN

    pixels = np.arange(32 * 32 * 3 * 2, dtype=np.uint32).astype(np.uint8).reshape(32, 32, 3, 2)
    savemat(tmp_path / "train_32x32.mat", {"X": pixels, "y": np.array([[10], [4]])})
    monkeypatch.setattr(SVHN, "_check_integrity", lambda self: True)
    data = load("svhn", tmp_path)
    assert data.labels.tolist() == [0, 4]
    assert data.names == tuple("0123456789")
    assert np.array_equal(data.images[1], pixels[..., 1].transpose(2, 0, 1))
