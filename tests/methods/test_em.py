"""EM: its contract, its claim (a network trained on it learns the noise and not the images), its recipes."""

import numpy as np
import pytest
import torch
from conftest import make_dataset
from methods.contract import SMALL, check, problem

from unlearn import datasets, recipe, training
from unlearn.crafting.schedule import Schedule
from unlearn.datasets import ImageDataset
from unlearn.methods.em import EM
from unlearn.pgd import PGD
from unlearn.settings import SGD, Training


@pytest.mark.parametrize("rows", ["sample-wise", "class-wise"])
@pytest.mark.parametrize("epsilon", [1 / 255, 8 / 255, 16 / 255])
def test_contract(rows: str, epsilon: float) -> None:
    check(EM(), rows, epsilon)


def test_gray_images() -> None:
    check(EM(), "sample-wise", channels=1)


def test_random_start() -> None:
    settings = SMALL | {"pgd": PGD(2 / 255, 3, random_start=True)}
    data = make_dataset(72)
    made = EM(settings["pgd"], settings["schedule"]).craft(problem(data, "sample-wise"))
    assert int(made.delta.abs().max()) == 8


def learned(data: ImageDataset, test: ImageDataset) -> float:
    """Clean test accuracy of a small CNN trained on `data`."""
    network = training.build("small_cnn", data.classes, data.images.shape[1:], 1)
    arrays = (data.images, data.labels, test.keys[: len(data)] if len(test) >= len(data) else data.keys)
    batches = training.Batches(*(torch.from_numpy(a) for a in arrays))
    settings = Training(epochs=6, batch_size=64, sgd=SGD(lr=0.05, clip=1.0), augment=("flip",))
    training.train(network, batches, settings, 0)
    return training.accuracy(network, torch.from_numpy(test.images), torch.from_numpy(test.labels))


@pytest.mark.parametrize("rows", ["sample-wise", "class-wise"])
def test_claim_on_the_embedded_set(rows: str) -> None:
    """Clean accuracy above 60 %, random noise close to it, EM below half of it, after seconds of training."""
    train = datasets.limited(datasets.load("embedded", "train"), 1000, 0)
    test = datasets.limited(datasets.load("embedded", "test"), 500, 0)
    schedule = Schedule(train_steps=20, batch_size=128, pgd_batch_size=250, max_rounds=12)
    steps = {"sample-wise": PGD(1.6 / 255, 5), "class-wise": PGD(1.6 / 255, 1)}[rows]
    setting = problem(train, rows)
    made = EM(steps, schedule).craft(setting)
    protected = made.apply_pixels(train.images, np.arange(len(train)))
    noise = np.random.default_rng(0).integers(-8, 9, train.images.shape)
    random = (train.images + noise).clip(0, 255).astype(np.uint8)
    clean, noisy, hidden = (
        learned(ImageDataset(images, train.labels, train.names), test) for images in (train.images, random, protected)
    )
    assert clean > 0.6
    assert noisy > clean - 0.15
    assert hidden < clean / 2


@pytest.mark.parametrize(
    "name",
    ["demo", "demo-sample", "em", "cifar10-em-class", "cifar100-em-sample", "cifar100-em-class", "svhn-em-sample",
     "svhn-em-class", "imagenet100-em-sample", "imagenet100-em-class", "faces-em-class", "cifar10-em-eps16",
     "cifar10-em-eps24", "cifar10-small", "cifar10-small-sample"],
)  # fmt: skip
def test_recipes_are_em(name: str) -> None:
    assert isinstance(recipe.load(name).method, EM)


def test_the_papers_cifar10_settings() -> None:
    """exp_setting.sh of the released code: 8/255 in steps of 0.8/255, 20 steps, M = 10, stop error 0.01."""
    settings = recipe.load("em")
    assert settings.method == EM(PGD(0.8 / 255, 20), Schedule(10, 512, 512, 1.0, 0.01))
    assert settings.epsilon == 8 / 255
    assert settings.surrogate.network == "resnet18"
    assert settings.surrogate.sgd == SGD(0.1, 0.9, 5e-4, 5.0)
