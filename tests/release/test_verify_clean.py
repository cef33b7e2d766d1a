"""Rules of `verify` that need the clean data: copies, budget, noise in the test split."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from unlearn.datasets import ImageDataset
from unlearn.release.verify import verify

from .conftest import Make
from .plant import assert_found


def test_a_clean_copy_is_found(make: Make, form: str, clean: ImageDataset, protected: ImageDataset) -> None:
    leaky = protected.images.copy()
    leaky[7] = clean.images[7]
    folder = make(format=form, protected=replace(protected, images=leaky))
    assert verify(folder) == []
    assert_found(folder, "row 7: clean copy", clean=clean)


def test_a_change_beyond_the_budget_is_found(
    make: Make, form: str, clean: ImageDataset, protected: ImageDataset
) -> None:
    strong = protected.images.copy()
    strong[3, 0, 0, 0] = clean.images[3, 0, 0, 0] + 9
    folder = make(format=form, protected=replace(protected, images=strong))
    assert_found(folder, "row 3: changed by 9 levels, at most 8 are allowed", clean=clean)


def test_noise_in_the_test_split_is_found(make: Make, form: str, clean: ImageDataset, clean_test: ImageDataset) -> None:
    noisy = clean_test.images.copy()
    noisy[2] += 1
    folder = make(format=form, test=replace(clean_test, images=noisy))
    assert verify(folder, clean) == []
    assert_found(folder, "row 2: changed by 1 levels, at most 0 are allowed", clean_test=clean_test)


def test_other_labels_names_and_numbers_are_found(release: Path, clean: ImageDataset) -> None:
    labels = clean.labels.copy()
    labels[4] = 0
    assert_found(release, "row 4: label 1, the clean sample has 0", clean=replace(clean, labels=labels))
    assert_found(release, "class names differ", clean=replace(clean, names=("a", "b", "c")))
    fewer = clean.take(np.arange(11))
    assert_found(release, "row 11: there is no such clean sample", "the clean data have 11", clean=fewer)
    small = replace(clean, images=clean.images[:, :, :4])
    assert_found(release, "the clean sample has (3, 4, 8)", clean=small)


def test_partial_protection_is_counted(make: Make, clean: ImageDataset, protected: ImageDataset) -> None:
    mask = np.arange(12) < 9
    mixed = replace(protected, images=np.where(mask[:, None, None, None], protected.images, clean.images))
    assert verify(make("right", protected=mixed, mask=mask), clean) == []
    wrong = make("wrong", protected=mixed, mask=np.arange(12) < 10)
    assert_found(wrong, "train: 9 of 12 samples are changed, release.json says 10", clean=clean)
