"""What a network learns from protected images: the claims of the methods whose surrogates are trained beforehand."""

from functools import cache
from typing import Any

import numpy as np
import torch
from conftest import make_dataset
from methods.contract import problem

from unlearn import datasets, training
from unlearn.crafting import ensemble
from unlearn.datasets import ImageDataset
from unlearn.defenses.jpeg import JPEG
from unlearn.images import Pixels
from unlearn.settings import SGD, Training

Sets = tuple[ImageDataset, ImageDataset]  # for training, for tests


# Bright quadrants of 6 levels among noise of 60: learned in a second, and a budget of 8 levels is no trifle.
QUADRANTS = make_dataset(240, contrast=6), make_dataset(300, seed=1, contrast=6)
SHORT = Training(epochs=8, batch_size=24, sgd=SGD(0.05, clip=1.0), augment=())
DEMO = Training(epochs=8, batch_size=64, sgd=SGD(0.05, clip=1.0), augment=("flip",))


def learned(sets: Sets, settings: Training, images: Pixels | None = None, seed: int = 0) -> float:
    """Clean test accuracy of a small CNN trained on these images with the labels of the training set."""
    train, test = sets
    pixels = train.images if images is None else images
    torch.set_num_threads(1)  # sums depend on the number of threads, and a figure of one seed with them
    network = training.build("small_cnn", train.classes, train.images.shape[1:], seed)
    batches = training.Batches(*(torch.from_numpy(array) for array in (pixels, train.labels, train.keys)))
    training.train(network, batches, settings, seed)
    return training.accuracy(network, torch.from_numpy(test.images), torch.from_numpy(test.labels))


def learned_from(method: Any, sets: Sets, settings: Training, epsilon: float = 8 / 255) -> float:
    """The same on the images that a method protects; surrogate and victim start from two seeds."""
    made = method.craft(problem(sets[0], "sample-wise", epsilon, seed=1))
    return learned(sets, settings, made.apply_pixels(sets[0].images, np.arange(len(sets[0]))))


def kept_through_jpeg(method: Any, quality: int) -> float:
    """Share of the quadrants that the surrogate still takes for the next class once Pillow has encoded them."""
    setting = problem(QUADRANTS[0], "sample-wise")
    network = ensemble.snapshots(setting, method.pretrain, 1)[0]
    pixels = method.craft(setting).apply_pixels(setting.data.images, np.arange(len(setting.data)))
    seen = training.predictions(network, JPEG(quality).purify(torch.from_numpy(pixels)))
    return float((seen == (torch.from_numpy(setting.data.labels) + 1) % 3).float().mean())


@cache
def clean(name: str) -> float:
    """Clean accuracy on `quadrants` or `embedded`."""
    return learned(sets(name), SHORT if name == "quadrants" else DEMO)


@cache
def sets(name: str) -> Sets:
    """Training and test set by name."""
    if name == "quadrants":
        return QUADRANTS
    return datasets.load(name, "train"), datasets.load(name, "test")
