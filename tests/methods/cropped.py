"""The middle of the embedded set's images, where the small CNN trains in seconds: for claims of costly methods."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from once import once
from torch import nn

from unlearn import datasets, training
from unlearn.crafting.problem import ROWS, Problem
from unlearn.crafting.schedule import Surrogate
from unlearn.datasets import ImageDataset
from unlearn.defenses.adversarial import Adversarial
from unlearn.perturbation import Additive
from unlearn.recipe import Recipe
from unlearn.settings import SGD, Training

Pixels = NDArray[np.uint8]
PLAN = Training(epochs=10, batch_size=32, sgd=SGD(lr=0.05, clip=1.0), augment=("flip",))


def _middle(data: ImageDataset) -> ImageDataset:
    """16 of 32 pixels a side: what tells the classes apart is fine texture, which a smaller picture would lose."""
    return ImageDataset(np.ascontiguousarray(data.images[:, :, 8:24, 8:24]), data.labels, data.names, data.split)


TRAIN = _middle(datasets.load("embedded", "train").take(np.arange(1600)))
TEST = _middle(datasets.load("embedded", "test"))
FEW = np.arange(64, dtype=np.int32)


def problem(rows: str = "sample-wise", network: str = "small_cnn", lr: float = 0.05) -> Problem:
    """All samples, 8/255."""
    row = ROWS[rows](TRAIN.labels, np.ones(len(TRAIN), dtype=bool))
    return Problem(TRAIN, row, 8 / 255, Surrogate(network, SGD(lr=lr, clip=1.0)))


def problem_of(settings: Recipe, data: ImageDataset) -> Problem:
    """All samples, as a recipe has them crafted."""
    row = ROWS[settings.rows](data.labels, np.ones(len(data), dtype=bool))
    return Problem(data, row, settings.epsilon, settings.surrogate)


def noisy(made: Additive) -> Pixels:
    """The training images as they would be released."""
    return made.apply_pixels(TRAIN.images, np.arange(len(TRAIN)))


def trained(images: Pixels, loss: training.Loss = training.cross_entropy, data: ImageDataset = TRAIN) -> nn.Module:
    """The small CNN after ten epochs on these images, with the labels of the data."""
    torch.set_num_threads(1)
    network = training.build("small_cnn", data.classes, data.images.shape[1:], 0)
    batches = training.Batches(*(torch.from_numpy(a) for a in (images, data.labels, data.keys)))
    training.train(network, batches, PLAN, 0, loss=loss)
    return network


def accuracy(network: nn.Module, test: ImageDataset = TEST) -> float:
    """On the clean test set."""
    return training.accuracy(network, torch.from_numpy(test.images), torch.from_numpy(test.labels))


def adversarially_learned(method: Any, train: ImageDataset, test: ImageDataset) -> float:
    """Clean test accuracy after adversarial training within 2/255 on what a method makes of a training set."""
    row = ROWS["sample-wise"](train.labels, np.ones(len(train), dtype=bool))
    made = method.craft(replace(problem(), data=train, row=row))
    pixels = made.apply_pixels(train.images, np.arange(len(train)))
    defense = Adversarial(epsilon=2 / 255, step_size=1.5 / 255, steps=2)
    return accuracy(trained(pixels, defense.loss, train), test)


def learned(images: Pixels) -> float:
    """Clean test accuracy after training on these images."""
    return accuracy(trained(images))


@cache
def clean() -> float:
    """Accuracy after training on the images without noise."""
    return once("clean-cropped", lambda: learned(TRAIN.images))
