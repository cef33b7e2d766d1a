"""Parts of a data set: every class has its share, and the order in which samples are stored is no matter."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import make_dataset

from unlearn.datasets import ImageDataset, limited, stratified
from unlearn.errors import DataError


def uneven(*sizes: int) -> ImageDataset:
    """Random images, so many of each class."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    images = np.random.default_rng(0).integers(0, 256, (len(labels), 3, 4, 4), dtype=np.uint8)
    return ImageDataset(images, labels.astype(np.int64), tuple(f"class{i}" for i in range(len(sizes))))


@pytest.mark.parametrize(
    ("sizes", "samples", "expected"),
    [
        ((90, 20, 10), 60, [45, 10, 5]),
        ((90, 20, 10), 96, [72, 16, 8]),
        ((50, 50), 30, [15, 15]),
        ((97, 2, 1), 10, [8, 1, 1]),
        ((90, 20, 10), 120, [90, 20, 10]),
    ],
)
def test_every_class_has_its_share_and_one_sample_at_least(
    sizes: tuple[int, ...], samples: int, expected: list[int]
) -> None:
    data = uneven(*sizes)
    chosen = stratified(data, samples, 0)
    assert np.bincount(data.labels[chosen]).tolist() == expected
    assert (np.diff(chosen) > 0).all()


@pytest.mark.parametrize("samples", [7, 50, 61])
def test_the_order_of_the_samples_is_no_matter(samples: int) -> None:
    data = uneven(60, 30, 13)
    turned = data.take(np.random.default_rng(1).permutation(len(data)))
    chosen, again = ({each.ids[i] for i in stratified(each, samples, 3)} for each in (data, turned))
    assert chosen == again
    assert len(chosen) == samples


def test_seeds_choose_differently() -> None:
    data = uneven(60, 60)
    assert stratified(data, 40, 0).tolist() != stratified(data, 40, 1).tolist()


def test_more_than_there_are_is_refused() -> None:
    with pytest.raises(DataError, match="61 samples of split train asked for, it has 60"):
        limited(replace(make_dataset(60)), 61, 0)
