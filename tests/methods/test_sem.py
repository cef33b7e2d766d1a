"""SEM: its contract, its claims (little is learned, adversarial training included), its recipes."""

from dataclasses import replace

import pytest
from methods import cropped, robust_claims
from methods.contract import check
from methods.learning import on_cifar10, recipe_holds_on_cifar

from unlearn import recipe
from unlearn.crafting.robustness import Robustness
from unlearn.methods.rem import REM
from unlearn.methods.sem import SEM
from unlearn.pgd import PGD

METHOD = SEM(PGD(4 / 255, 4), robust_claims.short(110))


@pytest.mark.parametrize(("rows", "epsilon"), [("sample-wise", 8 / 255), ("class-wise", 2 / 255)])
def test_contract(rows: str, epsilon: float) -> None:
    check(SEM(robustness=robust_claims.TINY), rows, epsilon)


def test_it_is_not_rem() -> None:
    setting = replace(cropped.problem(), data=cropped.TRAIN.take(cropped.FEW), row=cropped.FEW)
    stable, robust = (kind(PGD(2 / 255, 2), robust_claims.TINY).craft(setting) for kind in (SEM, REM))
    assert not stable.delta.equal(robust.delta)


def test_claim_a_network_trained_on_it_learns_little() -> None:
    robust_claims.learns_little(METHOD)


@on_cifar10
def test_claim_it_outlasts_adversarial_training_of_its_radius_and_em_does_not() -> None:
    robust_claims.outlasts_adversarial_training(METHOD)


@on_cifar10
def test_claim_on_cifar10() -> None:
    recipe_holds_on_cifar("small/sem")


@pytest.mark.parametrize("name", ["sem", "sem-cifar100", "small/sem"])
def test_recipes_are_sem(name: str) -> None:
    assert isinstance(recipe.load(name).method, SEM)


def test_the_papers_cifar10_settings_are_rems() -> None:
    assert recipe.load("sem").method == SEM(PGD(1.6 / 255, 10), Robustness())
