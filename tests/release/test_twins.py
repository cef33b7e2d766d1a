"""Clean images whose protected twin is released beside them: refused before, and found after."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from unlearn.datasets import ImageDataset
from unlearn.release import twins
from unlearn.release.verify import verify

from .conftest import Make
from .plant import assert_found

ALL = np.ones(12, dtype=bool)


def showing(data: ImageDataset, row: int, other: ImageDataset, twin: int) -> ImageDataset:
    """The data with another set's image at a row."""
    pixels = data.images.copy()
    pixels[row] = other.images[twin]
    return replace(data, images=pixels)


def test_sets_without_twins_are_no_problem(clean: ImageDataset, clean_test: ImageDataset) -> None:
    assert twins.problem(clean, ALL, clean_test) is None
    assert twins.problem(clean, ALL, None) is None
    assert twins.problem(clean, ~ALL, clean) is None  # nothing is protected, so nothing is given away
    assert twins.problem(showing(clean, 4, clean, 9), ALL, clean_test) is None  # both are protected


def test_a_test_image_that_is_a_protected_one_is_named_with_the_choices(
    clean: ImageDataset, clean_test: ImageDataset
) -> None:
    problem = twins.problem(clean, ALL, showing(clean_test, 2, clean, 5))
    assert problem
    assert "1 samples" in problem
    assert "test 2, the same image as train 5" in problem
    assert "--no-test" in problem
    assert "\n" not in problem


def test_duplicates_of_which_one_is_protected_are_named(clean: ImageDataset) -> None:
    problem = twins.problem(showing(clean, 4, clean, 9), np.arange(12) != 4, None)
    assert problem
    assert "train 4, the same image as train 9" in problem
    assert "--no-test" not in problem  # would not help


def test_the_same_numbers_in_another_shape_are_another_image() -> None:
    row = np.arange(12, dtype=np.uint8)
    assert twins.digest(row.reshape(3, 2, 2)) != twins.digest(row.reshape(3, 1, 4))


def test_verify_finds_twins_between_splits(
    make: Make, form: str, clean: ImageDataset, clean_test: ImageDataset
) -> None:
    tested = showing(clean_test, 2, clean, 5)
    folder = make(format=form, test=tested)
    assert verify(folder) == []
    assert_found(folder, "row 2: shows the clean image that is protected in", clean=clean, clean_test=tested)


def test_verify_finds_twins_within_the_training_split(
    make: Make, clean: ImageDataset, protected: ImageDataset, tmp_path: Path
) -> None:
    doubled, mask = showing(clean, 4, clean, 9), np.arange(12) != 4
    mixed = replace(protected, images=np.where(mask[:, None, None, None], protected.images, doubled.images))
    folder = make(protected=mixed, mask=mask)
    found = [str(finding) for finding in verify(folder, doubled)]
    assert len(found) == 1
    assert "row 4: shows the clean image that is protected in" in found[0]
