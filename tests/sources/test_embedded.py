"""The embedded set is what it claims: a small CNN learns it, and pixels alone do not give it away."""

import hashlib
import time

import numpy as np
import pytest
import torch
from methods.learning import clean

from unlearn import datasets, recipe, training
from unlearn.datasets import ImageDataset
from unlearn.errors import DataError
from unlearn.settings import SGD, Training


@pytest.fixture(scope="module")
def sets() -> tuple[ImageDataset, ImageDataset]:
    return datasets.load("embedded", "train"), datasets.load("embedded", "test")


def accuracy(network: str, sets: tuple[ImageDataset, ImageDataset], settings: Training) -> float:
    torch.set_num_threads(1)  # more threads than free cores make this several times slower
    train, test = sets
    model = training.build(network, train.classes, train.images.shape[1:], seed=0)
    batches = training.Batches(*map(torch.from_numpy, (train.images, train.labels, train.keys)))
    training.train(model, batches, settings, seed=0)
    return training.accuracy(model, torch.from_numpy(test.images), torch.from_numpy(test.labels))


def test_small_cnn_learns_it() -> None:
    """As the demo's audit trains it."""
    plan = recipe.load("demo").audit
    assert plan.victims == ("small_cnn",)
    assert plan.training == Training(epochs=8, batch_size=64, sgd=SGD(lr=0.05, clip=1.0), augment=("flip",))
    assert 0.85 <= clean() <= 0.99


def test_linear_model_does_not(sets: tuple[ImageDataset, ImageDataset]) -> None:
    settings = Training(epochs=20, batch_size=64, sgd=SGD(lr=0.01), augment=())
    assert accuracy("linear", sets, settings) < 0.45


def test_mean_color_says_nothing(sets: tuple[ImageDataset, ImageDataset]) -> None:
    """Nearest class mean of the mean color and its spread: chance is 1/6."""
    train, test = (
        np.concatenate([d.images.mean((2, 3)), d.images.std((2, 3))], axis=1).astype(np.float64) for d in sets
    )
    means = np.stack([train[sets[0].labels == c].mean(0) for c in range(6)])
    nearest = np.square(test[:, None] - means).sum(2).argmin(1)
    assert (nearest == sets[1].labels).mean() < 0.35


def test_counts_names_and_shapes(sets: tuple[ImageDataset, ImageDataset]) -> None:
    train, test = sets
    assert train.images.shape == (2400, 3, 32, 32)
    assert test.images.shape == (1000, 3, 32, 32)
    assert train.names == ("stripes", "checks", "dots", "rings", "zigzag", "grid")
    assert train.counts().max() - train.counts().min() <= 1
    assert not set(train.ids) & set(test.ids)
    assert len(set(train.ids)) == 2400


def test_pixels_are_fixed_for_ever(sets: tuple[ImageDataset, ImageDataset]) -> None:
    digests = [hashlib.sha256(d.images.tobytes()).hexdigest()[:16] for d in sets]
    assert digests == ["2c1ab53de982477f", "641bd084b2d6c6da"]


def test_more_images_begin_with_the_same_ones(sets: tuple[ImageDataset, ImageDataset]) -> None:
    few = datasets.load("embedded", "train", train_images=150)
    assert np.array_equal(few.images, sets[0].images[:150])


def test_seed_changes_every_image(sets: tuple[ImageDataset, ImageDataset]) -> None:
    other = datasets.load("embedded", "train", train_images=150, seed=1)
    assert not set(other.ids) & set(sets[0].ids)


@pytest.mark.parametrize("size", [16, 64, 256])
def test_sizes_show_the_same_kind_of_picture(size: int) -> None:
    data = datasets.load("embedded", "train", train_images=24, size=size)
    assert data.images.shape == (24, 3, size, size)
    assert data.images.std((1, 2, 3)).min() > 15


def test_relief_is_above_a_budget_of_8_and_far_from_clipping() -> None:
    """Neighboring stripes differ by more than noise can hide; few pixels are so dark or light that noise is cut."""
    data = datasets.load("embedded", "train", train_images=600)
    steps = np.abs(np.diff(data.images.astype(int).mean(1), axis=2))
    assert np.percentile(steps.max((1, 2)), 5) > 16
    assert ((data.images < 8) | (data.images > 247)).mean() < 0.05


def test_dots_are_lighter_than_their_ground_half_of_the_time() -> None:
    """Dots cover less than half: the mean lies below the middle of the two levels when they are light."""
    data = datasets.load("embedded", "train", train_images=1200)
    brightness = data.images[data.labels == 2].astype(int).mean(1)
    detail = brightness - brightness.mean((1, 2), keepdims=True)
    light = (detail**3).mean((1, 2)) > 0
    assert 0.3 < light.mean() < 0.7


def test_patterns_are_turned() -> None:
    """Stripes run either way; without turns all of them would run the same."""
    data = datasets.load("embedded", "train", train_images=600)
    stripes = data.images[data.labels == 0].astype(int).mean(1)
    down, across = (np.abs(np.diff(stripes, axis=axis)).mean((1, 2)) for axis in (1, 2))
    assert 0.3 < (down > across).mean() < 0.7


def test_speed() -> None:
    start = time.process_time()
    datasets.load("embedded", "train", train_images=3000)
    assert time.process_time() - start < 6  # about 1.3 on one core; leaves room for a slow machine


def test_missing_split() -> None:
    with pytest.raises(DataError, match=r'^split "val" is missing in the embedded set; it has: test, train$'):
        datasets.load("embedded", "val")
