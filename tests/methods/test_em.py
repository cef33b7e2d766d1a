"""EM: its contract, its claim (a network trained on it learns the noise and not the images), its recipes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_dataset
from methods.contract import SMALL, check, problem
from numpy.typing import NDArray

from unlearn import datasets, recipe, training
from unlearn.crafting.schedule import Schedule
from unlearn.crafting.workers import alone
from unlearn.methods.em import EM
from unlearn.pgd import PGD
from unlearn.settings import SGD


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


TRAIN, TEST = datasets.load("embedded", "train"), datasets.load("embedded", "test")


def learned(images: NDArray[np.uint8]) -> float:
    """Clean test accuracy of the demo's victim when it is trained on these images of the embedded set.

    On two threads, as `scripts/demo` trains it on two cores: sums depend on the number of threads, and a figure of one
    seed with them.
    """
    torch.set_num_threads(2)
    plan = recipe.load("demo").audit
    network = training.build("small_cnn", TRAIN.classes, TRAIN.images.shape[1:], 0)
    batches = training.Batches(*(torch.from_numpy(a) for a in (images, TRAIN.labels, TRAIN.keys)))
    training.train(network, batches, plan.training, 0)
    return training.accuracy(network, torch.from_numpy(TEST.images), torch.from_numpy(TEST.labels))


@pytest.fixture(scope="module")
def clean() -> float:
    return learned(TRAIN.images)


def test_random_noise_does_not_protect(clean: float) -> None:
    noise = np.random.default_rng(0).integers(-8, 9, TRAIN.images.shape)
    assert learned((TRAIN.images + noise).clip(0, 255).astype(np.uint8)) > clean - 0.1


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("demo", torch.float32),
        ("demo-sample", torch.float32),
        pytest.param("demo-sample", torch.bfloat16, marks=pytest.mark.slow),
    ],
)
def test_claim_a_network_trained_on_it_learns_little(name: str, precision: torch.dtype, clean: float) -> None:
    """Class-wise and sample-wise, reference and fast: at most half of the clean accuracy, as the demo crafts it."""
    settings = recipe.load(name)
    setting = problem(TRAIN, settings.rows)
    setting = replace(setting, surrogate=settings.surrogate, workers=alone(threads=2), precision=precision)
    made = settings.method.craft(setting)
    assert clean > 0.85
    assert learned(made.apply_pixels(TRAIN.images, np.arange(len(TRAIN)))) < clean / 2


@pytest.mark.parametrize(
    "name",
    ["demo", "demo-sample", "em", "cifar10-em-class", "cifar100-em-sample", "cifar100-em-class", "svhn-em-sample",
     "svhn-em-class", "imagenet100-em-sample", "imagenet100-em-class", "faces-em-class", "cifar10-em-eps16",
     "cifar10-em-eps24", "cifar10-small", "cifar10-small-sample", "small/em-views", "small/em-signed"],
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
