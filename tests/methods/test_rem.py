"""REM: its contract, its claims (little is learned, adversarial training included), its recipes."""

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
from unlearn.pgd import PGD
from unlearn.settings import SGD

ATTACK = PGD(1 / 255, 2, random_start=True)
TINY = Robustness(steps=3, batch_size=32, radius=2 / 255, attack=ATTACK, samples=2)
SHORT = Robustness(steps=50, batch_size=32, radius=1 / 255, attack=ATTACK, samples=1, augment=("flip",))
METHOD = REM(PGD(4 / 255, 4), SHORT)


@pytest.mark.parametrize(("rows", "epsilon"), [("sample-wise", 8 / 255), ("class-wise", 2 / 255)])
def test_contract(rows: str, epsilon: float) -> None:
    check(REM(robustness=TINY), rows, epsilon)


def test_gray_images() -> None:
    check(REM(robustness=replace(TINY, steps=1)), "sample-wise", channels=1)


def test_claim_a_network_trained_on_it_learns_little() -> None:
    made = METHOD.craft(cropped.problem())
    assert cropped.clean() > 0.5
    assert cropped.learned(cropped.noisy(made)) < cropped.clean() / 2


@pytest.mark.slow
@pytest.mark.skipif(not MINI.is_dir(), reason="needs CIFAR-10 in UNLEARN_SHARED")
def test_claim_it_outlasts_adversarial_training_of_its_radius_and_em_does_not() -> None:
    """On CIFAR-10: of the embedded set, adversarial training learns little even without noise."""
    train, test = cifar("train").take(np.arange(2000)), cifar("test")
    robust = replace(METHOD, robustness=replace(SHORT, steps=100, batch_size=64, radius=2 / 255))
    plain = EM(PGD(2 / 255, 3), Schedule(20, 64, 256, min_rounds=7, max_rounds=8))
    rem, em = (cropped.adversarially_learned(method, train, test) for method in (robust, plain))
    assert rem < em - 0.1


@pytest.mark.slow
@pytest.mark.skipif(not MINI.is_dir(), reason="needs CIFAR-10 in UNLEARN_SHARED")
def test_claim_on_cifar10() -> None:
    settings = recipe.load("small/rem")
    setting = cropped.problem_of(settings, cifar("train"))
    pixels, control = both(settings.method.craft(setting), cifar("train"))
    reached = learned_cifar(cifar("train").images)
    assert learned_cifar(pixels) < reached / 2
    assert learned_cifar(control) > reached - 0.06


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
    views = Robustness().views
    assert (views.augment, views.crop_padding) == (("crop", "flip"), 4)
