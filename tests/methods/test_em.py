"""EM: its contract, its claim (a network trained on it learns the noise and not the images), its recipes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_dataset
from methods.contract import SMALL, check, problem
from methods.learning import clean, embedded, learned

from unlearn import recipe
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


def test_random_noise_does_not_protect() -> None:
    images = embedded("train").images
    noise = np.random.default_rng(0).integers(-8, 9, images.shape)
    assert learned((images + noise).clip(0, 255).astype(np.uint8)) > clean() - 0.1


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("demo", torch.float32),
        ("demo-sample", torch.float32),
        pytest.param("demo-sample", torch.bfloat16, marks=pytest.mark.slow),
    ],
)
def test_claim_a_network_trained_on_it_learns_little(name: str, precision: torch.dtype) -> None:
    """Class-wise and sample-wise, reference and fast: at most half of the clean accuracy, as the demo crafts it."""
    settings = recipe.load(name)
    train = embedded("train")
    setting = problem(train, settings.rows)
    setting = replace(setting, surrogate=settings.surrogate, workers=alone(threads=2), precision=precision)
    made = settings.method.craft(setting)
    assert clean() > 0.85
    assert learned(made.apply_pixels(train.images, np.arange(len(train)))) < clean() / 2


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
