"""SEM: its contract, its claims (little is learned, adversarial training included), its recipes."""

from dataclasses import replace

import numpy as np
import pytest
from methods import cropped
from methods.contract import check
from methods.learning import MINI, both, cifar, learned_cifar

from unlearn import recipe
from unlearn.crafting.robustness import Robustness
from unlearn.crafting.schedule import Schedule
from unlearn.methods.em import EM
from unlearn.methods.rem import REM
from unlearn.methods.sem import SEM
from unlearn.pgd import PGD

ATTACK = PGD(1 / 255, 2, random_start=True)
TINY = Robustness(steps=3, batch_size=32, radius=2 / 255, attack=ATTACK, samples=2)
SHORT = Robustness(steps=110, batch_size=32, radius=1 / 255, attack=ATTACK, samples=1, augment=("flip",))
METHOD = SEM(PGD(4 / 255, 4), SHORT)


@pytest.mark.parametrize(("rows", "epsilon"), [("sample-wise", 8 / 255), ("class-wise", 2 / 255)])
def test_contract(rows: str, epsilon: float) -> None:
    check(SEM(robustness=TINY), rows, epsilon)


def test_it_is_not_rem() -> None:
    setting = replace(cropped.problem(), data=cropped.TRAIN.take(cropped.FEW), row=cropped.FEW)
    stable, robust = (kind(PGD(2 / 255, 2), TINY).craft(setting) for kind in (SEM, REM))
    assert not stable.delta.equal(robust.delta)


def test_claim_a_network_trained_on_it_learns_little() -> None:
    made = METHOD.craft(cropped.problem())
    assert cropped.clean() > 0.5
    assert cropped.learned(cropped.noisy(made)) < cropped.clean() / 2


@pytest.mark.slow
@pytest.mark.skipif(not MINI.is_dir(), reason="needs CIFAR-10 in UNLEARN_SHARED")
def test_claim_it_outlasts_adversarial_training_of_its_radius_and_em_does_not() -> None:
    """On CIFAR-10: of the embedded set, adversarial training learns little even without noise."""
    train, test = cifar("train").take(np.arange(2000)), cifar("test")
    stable = replace(METHOD, robustness=replace(SHORT, steps=100, batch_size=64, radius=2 / 255))
    plain = EM(PGD(2 / 255, 3), Schedule(20, 64, 256, min_rounds=7, max_rounds=8))
    sem, em = (cropped.adversarially_learned(method, train, test) for method in (stable, plain))
    assert sem < em - 0.1


@pytest.mark.slow
@pytest.mark.skipif(not MINI.is_dir(), reason="needs CIFAR-10 in UNLEARN_SHARED")
def test_claim_on_cifar10() -> None:
    settings = recipe.load("small/sem")
    setting = cropped.problem_of(settings, cifar("train"))
    pixels, control = both(settings.method.craft(setting), cifar("train"))
    reached = learned_cifar(cifar("train").images)
    assert learned_cifar(pixels) < reached / 2
    assert learned_cifar(control) > reached - 0.06


@pytest.mark.parametrize("name", ["sem", "sem-cifar100", "small/sem"])
def test_recipes_are_sem(name: str) -> None:
    assert isinstance(recipe.load(name).method, SEM)


def test_the_papers_cifar10_settings_are_rems() -> None:
    assert recipe.load("sem").method == SEM(PGD(1.6 / 255, 10), Robustness())
