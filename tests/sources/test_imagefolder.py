"""Folders of images as strangers hand them over."""

import os
from pathlib import Path

import pytest

from unlearn import datasets
from unlearn.errors import DataError

from .conftest import huge_png, levels, png


def load(root: Path, split: str = "train") -> datasets.ImageDataset:
    return datasets.load("imagefolder", split, path=str(root))


def test_folders_are_classes_in_sorted_order(tree: Path) -> None:
    train, test = load(tree), load(tree, "test")
    assert train.names == test.names == ("cat", "dog")
    assert train.labels.tolist() == [0, 0, 1, 1]
    assert levels(train.images) == [0, 1, 10, 11]
    assert levels(test.images) == [100, 101, 110, 111]


def test_class_that_one_split_lacks_keeps_the_numbers(tree: Path) -> None:
    (tree / "train" / "ant").mkdir()
    (tree / "train" / "ant" / "a.png").write_bytes(png(50))
    assert load(tree, "test").names == ("ant", "cat", "dog")
    assert load(tree, "test").labels.tolist() == [1, 1, 2, 2]


def test_root_with_class_folders_is_the_split_train(tree: Path) -> None:
    assert load(tree / "test").labels.tolist() == [0, 0, 1, 1]
    with pytest.raises(DataError, match=r'^split "test" is missing in .*; it has: train$'):
        load(tree / "test", "test")


def test_missing_split_names_those_that_are_there(tree: Path) -> None:
    with pytest.raises(DataError, match=r'^split "dev" is missing in .*pets; it has: test, train$'):
        load(tree, "dev")


def test_missing_folder_and_file_in_its_place(tree: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder$"):
        load(tree / "nowhere")
    with pytest.raises(DataError, match=r"0.png: is a file, expected a folder$"):
        load(tree / "train" / "cat" / "0.png")


def test_nested_files_are_read_in_order_and_hidden_ones_are_not(tree: Path) -> None:
    deep = tree / "train" / "cat" / "b" / "c"
    deep.mkdir(parents=True)
    (deep / "x.PNG").write_bytes(png(77))
    (tree / "train" / "cat" / ".hidden.png").write_bytes(png(99))
    (tree / "train" / ".cache").mkdir()
    (tree / "train" / ".cache" / "y.png").write_bytes(png(99))
    assert levels(load(tree).images) == [0, 1, 77, 10, 11]
    assert load(tree).names == ("cat", "dog")


@pytest.mark.parametrize("name", ["-rf.png", "a\nb.png", "雪 ü.png", "'; $(x).png"])
def test_weird_names_are_only_names(tree: Path, name: str) -> None:
    (tree / "train" / "cat" / name).write_bytes(png(55))
    assert 55 in levels(load(tree).images)
    (tree / "train" / "cat" / name).write_bytes(b"damaged")
    with pytest.raises(DataError) as error:
        load(tree)
    assert len(str(error.value).splitlines()) == 1


def test_class_folder_that_is_not_utf8_is_refused(tree: Path) -> None:
    try:
        os.mkdir(os.fsencode(tree / "train") + b"/bad\xff")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    Path(os.fsdecode(os.fsencode(tree / "train") + b"/bad\xff/x.png")).write_bytes(png(1))
    with pytest.raises(DataError, match="not UTF-8"):
        load(tree)


def test_folder_with_only_text_says_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "train" / "cat").mkdir(parents=True)
    (tmp_path / "train" / "cat" / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"^no images found in .*train; expected train/class/\*\.png"):
        load(tmp_path)


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^no images found in .*; expected train/class/"):
        load(tmp_path)


def test_images_without_class_folders_are_not_classes(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "a.png").write_bytes(png(1))
    with pytest.raises(DataError, match="images lie outside class folders"):
        load(tmp_path)


def test_one_class_only(tree: Path) -> None:
    for file in (tree / "train" / "dog").iterdir():
        file.unlink()
    with pytest.raises(DataError, match=r"one class only \(cat\)"):
        load(tree)


def test_all_damaged_images_are_named(tree: Path) -> None:
    (tree / "train" / "cat" / "0.png").write_bytes(png(5, (64, 64))[:-30])
    (tree / "train" / "dog" / "0.png").write_text("just text")
    (tree / "train" / "dog" / "1.png").write_bytes(huge_png())
    with pytest.raises(DataError) as error:
        load(tree)
    lines = str(error.value).splitlines()
    assert len(lines) == 3
    assert "train/cat/0.png: not a readable image" in lines[0]
    assert "train/dog/0.png: not a readable image (unknown or unsupported format)" in lines[1]
    assert "train/dog/1.png: " in lines[2]
    assert "pixels" in lines[2]


def test_mixed_sizes_need_a_fit(tree: Path) -> None:
    from unlearn.fitting import Fit

    (tree / "train" / "cat" / "0.png").write_bytes(png(5, (9, 8)))
    with pytest.raises(DataError, match=r"9x8 .*data\.fit="):
        load(tree)
    fitted = datasets.load("imagefolder", "train", Fit(8, 8), path=str(tree))
    assert fitted.images.shape == (4, 3, 8, 8)


def test_link_to_a_file_outside_is_refused(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png(9))
    (tree / "train" / "cat" / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match=r'train/cat/link\.png: "link\.png" leads out of the folder pets'):
        load(tree)


def test_link_to_a_file_inside_is_read(tree: Path) -> None:
    (tree / "train" / "cat" / "again.png").symlink_to(tree / "train" / "dog" / "1.png")
    assert levels(load(tree).images) == [0, 1, 11, 10, 11]


@pytest.mark.parametrize("target", ["..", "../..", "../../..", "/"])
def test_links_to_folders_are_refused(tree: Path, target: str) -> None:
    (tree / "train" / "cat" / "up").symlink_to(target)
    with pytest.raises(DataError, match="cat/up"):
        load(tree)


def test_class_folder_and_split_that_are_links_out(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "cat").mkdir(parents=True)
    (tree / "train" / "bird").symlink_to(tmp_path / "elsewhere" / "cat")
    with pytest.raises(DataError, match=r'"bird" leads out'):
        load(tree)
    (tree / "train" / "bird").unlink()
    (tree / "val").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r'"val" leads out'):
        load(tree)


def test_links_in_a_circle_and_dead_links(tree: Path) -> None:
    (tree / "train" / "cat" / "o.png").symlink_to("o.png")
    with pytest.raises(DataError, match=r"o\.png"):
        load(tree)
    (tree / "train" / "cat" / "o.png").unlink()
    (tree / "train" / "cat" / "dead.png").symlink_to("gone.png")
    with pytest.raises(DataError, match=r"dead\.png: not a regular file"):
        load(tree)


def test_pipe_does_not_block(tree: Path) -> None:
    os.mkfifo(tree / "train" / "cat" / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png: not a regular file"):
        load(tree)
