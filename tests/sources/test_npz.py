"""One .npz file: layouts, names, and what strangers put into it."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unlearn import datasets, placing
from unlearn.errors import DataError
from unlearn.sources import npz

PIXELS = np.arange(4 * 6 * 5 * 3, dtype=np.uint8).reshape(4, 6, 5, 3)
LABELS = np.array([0, 1, 1, 0])


def load(path: Path, split: str = "train", **options: Any) -> datasets.ImageDataset:
    return datasets.load("npz", split, path=str(path), **options)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "set.npz"


def test_medmnist_keras_and_plain_names(file: Path) -> None:
    for images, labels in (("train_images", "train_labels"), ("x_train", "y_train"), ("images", "labels")):
        np.savez(file, **{images: PIXELS, labels: LABELS[:, None]})
        data = load(file)
        assert np.array_equal(data.images, PIXELS.transpose(0, 3, 1, 2))
        assert data.labels.tolist() == [0, 1, 1, 0]
        assert data.names == ("0", "1")


@pytest.mark.parametrize(
    ("pixels", "shape"),
    [
        (PIXELS, (4, 3, 6, 5)),
        (PIXELS.transpose(0, 3, 1, 2), (4, 3, 6, 5)),
        (PIXELS[..., 0], (4, 1, 6, 5)),
        (PIXELS[..., :1], (4, 1, 6, 5)),
        (PIXELS[:, None, :, :, 0], (4, 1, 6, 5)),
    ],
)
def test_layouts(file: Path, pixels: np.ndarray, shape: tuple[int, ...]) -> None:
    np.savez_compressed(file, images=pixels, labels=LABELS)
    data = load(file)
    assert data.images.shape == shape
    assert np.array_equal(data.images[:, 0], PIXELS[..., 0])


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("scale", [1, 255])
def test_floats_are_rounded(file: Path, kind: type, scale: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "BLOCK_BYTES", 2000)
    np.savez(file, images=(PIXELS / 255 * scale).astype(kind), labels=LABELS)
    assert np.array_equal(load(file).images, PIXELS.transpose(0, 3, 1, 2))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (PIXELS.astype(np.int64), "images is int64, expected uint8"),
        (PIXELS * (1 + 0j), "images is complex128, expected uint8"),
        (PIXELS / 127.5 - 1, r"images holds values from -1 to 1, expected floats in \[0, 1\]"),
        (PIXELS * 2.0, r"images holds values from 0 to 510, expected floats"),
        (np.where(PIXELS == 7, np.nan, PIXELS / 255), "images holds values from nan to nan"),
        (np.where(PIXELS == 7, np.inf, PIXELS / 255), "images holds values from 0 to inf"),
        (
            np.zeros((4, 3, 6, 3), np.uint8),
            r"channels first or last cannot be told apart; expected \(N,H,W\)",
        ),
        (np.zeros((4, 6, 5, 4), np.uint8), r"shape \(4, 6, 5, 4\): no such layout"),
        (np.zeros((4, 30), np.uint8), r"shape \(4, 30\): no such layout"),
        (np.zeros((4, 0, 5, 3), np.uint8), r"no such layout"),
        (PIXELS[:3], "3 images in images, but 4 labels in labels"),
        (PIXELS[:0], "0 images in images, but 4 labels"),
    ],
)
def test_images_of_no_use(file: Path, pixels: np.ndarray, message: str) -> None:
    np.savez(file, images=pixels, labels=LABELS)
    with pytest.raises(DataError, match=message):
        load(file)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS / 2, "labels is float64, expected whole numbers or strings"),
        (np.zeros((4, 14), int), r"labels has shape \(4, 14\), expected \(N,\) or \(N,1\)"),
        (LABELS - 1, r"images\[0\]: label -1 is negative"),
        (np.zeros(4, int), "one class only"),
    ],
)
def test_labels_of_no_use(file: Path, labels: np.ndarray, message: str) -> None:
    np.savez(file, images=PIXELS, labels=labels)
    with pytest.raises(DataError, match=message):
        load(file)


def test_names_by_array_and_option(file: Path) -> None:
    np.savez(file, images=PIXELS, labels=LABELS, names=np.array(["no", "yes"]))
    assert load(file).names == ("no", "yes")
    assert load(file, names=("a", "b", "c")).names == ("a", "b", "c")
    with pytest.raises(DataError, match=r"images\[1\]: label 1 is out of range 0\.\.0"):
        load(file, names=("a",))


def test_strings_and_gaps_count_over_all_splits(file: Path) -> None:
    np.savez(file, x_train=PIXELS, y_train=np.array(list("dbda")), x_test=PIXELS, y_test=np.array(list("cdcd")))
    assert load(file).names == ("a", "b", "c", "d")
    assert load(file, "test").labels.tolist() == [2, 3, 2, 3]
    assert load(file, names=tuple("dcba")).labels.tolist() == [0, 2, 0, 3]
    with pytest.raises(DataError, match='label "c" is not among the names'):
        load(file, "test", names=("a", "b", "d"))
    np.savez(file, x_train=PIXELS, y_train=[7, 3, 7, 100], x_test=PIXELS, y_test=[100, 5, 5, 3])
    assert load(file, "test").names == ("3", "5", "7", "100")
    assert load(file, "test").labels.tolist() == [3, 1, 1, 0]


def test_missing_split_and_missing_labels(file: Path) -> None:
    np.savez(file, x_train=PIXELS, y_train=LABELS, val_images=PIXELS)
    with pytest.raises(DataError, match=r'^split "test" is missing in .*set\.npz; it has: train, val$'):
        load(file, "test")
    with pytest.raises(DataError, match="val_images needs val_labels, and val_labels is missing"):
        load(file, "val")


def test_files_of_another_kind(file: Path) -> None:
    file.write_text("not a zip")
    with pytest.raises(DataError, match=r"not an \.npz file"):
        load(file)
    with pytest.raises(DataError, match="not a regular file"):
        load(file.parent)


def test_objects_are_never_unpickled(file: Path, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "boom",))

    np.savez(file, images=np.array([Bomb()] * 4, dtype=object), labels=LABELS)
    with pytest.raises(DataError, match="images holds pickled objects, which are never loaded"):
        load(file)
    assert not (tmp_path / "boom").exists()


def declared(file: Path, shape: tuple[int, ...], content: bytes = b"", description: str = "|u1") -> None:
    """A file whose array `images` declares a shape, with these bytes behind the header."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": description, "fortran_order": False, "shape": shape})
    labels = io.BytesIO()
    np.save(labels, LABELS)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", stream.getvalue() + content)
        archive.writestr("labels.npy", labels.getvalue())


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((10**9, 10**6, 3), r"declares 3,000,000,000,000,000 bytes, more than 8,589,934,592"),
        ((10**30, 32, 32), r"more than 8,589,934,592"),
        ((1000, 1000, 1000), r"declares 1,000,000,000 bytes, but .* are stored"),
        ((4, -6, 5), r"images declares|images cannot be read"),
    ],
)
def test_declared_size_is_checked_before_memory_is_taken(file: Path, shape: tuple[int, ...], message: str) -> None:
    declared(file, shape)
    with pytest.raises(DataError, match=message):
        load(file)


def test_zip_bomb_is_refused_by_its_declared_size(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unlearn.sources.npz.MAX_BYTES", 10_000_000)
    declared(file, (20_000, 32, 32), bytes(20_000 * 32 * 32))
    assert file.stat().st_size < 100_000
    with pytest.raises(DataError, match="more than 10,000,000"):
        npz.npz("train", path=str(file))


def test_truncated_archive(file: Path) -> None:
    np.savez(file, images=PIXELS, labels=LABELS)
    content = bytearray(file.read_bytes())
    content[200:230] = bytes(30)
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"set\.npz: images cannot be read"):
        load(file)
