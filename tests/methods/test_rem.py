"""REM: its contract, its claims (little is learned, adversarial training included), its recipes."""

from dataclasses import replace

import pytest
from methods import robust_claims
from methods.contract import check
from methods.learning import on_cifar10, recipe_holds_on_cifar

from unlearn import recipe
from unlearn.crafting.robustness import Robustness
from unlearn.methods.rem import REM
from unlearn.pgd import PGD
from unlearn.settings import SGD

METHOD = REM(PGD(4 / 255, 4), robust_claims.short(50))


@pytest.mark.parametrize(("rows", "epsilon"), [("sample-wise", 8 / 255), ("class-wise", 2 / 255)])
def test_contract(rows: str, epsilon: float) -> None:
    check(REM(robustness=robust_claims.TINY), rows, epsilon)


def test_gray_images() -> None:
    check(REM(robustness=replace(robust_claims.TINY, steps=1)), "sample-wise", channels=1)


def test_claim_a_network_trained_on_it_learns_little() -> None:
    robust_claims.learns_little(METHOD)


@on_cifar10
def test_claim_it_outlasts_adversarial_training_of_its_radius_and_em_does_not() -> None:
    robust_claims.outlasts_adversarial_training(METHOD)


@on_cifar10
def test_claim_on_cifar10() -> None:
    recipe_holds_on_cifar("small/rem")


@pytest.mark.parametrize("name", ["rem", "rem-cifar100", "small/rem"])
def test_recipes_are_rem(name: str) -> None:
    assert isinstance(recipe.load(name).method, REM)


def test_the_papers_cifar10_settings() -> None:
    """generate_robust_em.py of the released code: 5000 steps, a tenth every 2000, PGD-10 twice, five copies."""
    settings = recipe.load("rem")
    assert settings.method == REM(PGD(1.6 / 255, 10), Robustness())
    assert settings.method.robustness.attack == PGD(0.8 / 255, 10, random_start=True)
    assert settings.method.robustness.radius == 4 / 255
    assert settings.surrogate.sgd == SGD(0.1, 0.9, 5e-4, 0.0)


def test_the_default_transformations_are_a_trainers() -> None:
    views = Robustness().transformations
    assert (views.augment, views.crop_padding) == (("crop", "flip"), 4)
