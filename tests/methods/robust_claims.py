"""What REM and SEM share in what they claim: little is learned of them, adversarial training included."""

from dataclasses import replace

import numpy as np
from methods import cropped
from methods.learning import cifar

from unlearn.crafting.robustness import Robustness
from unlearn.crafting.schedule import Schedule
from unlearn.methods.em import EM
from unlearn.methods.rem import REM
from unlearn.methods.sem import SEM
from unlearn.pgd import PGD

ATTACK = PGD(1 / 255, 2, random_start=True)
TINY = Robustness(steps=3, batch_size=32, radius=2 / 255, attack=ATTACK, samples=2)


def short(steps: int) -> Robustness:
    """A schedule for the embedded set."""
    return Robustness(steps=steps, batch_size=32, radius=1 / 255, attack=ATTACK, samples=1, augment=("flip",))


def learns_little(method: REM | SEM) -> None:
    """Less than half of the clean accuracy, on the embedded set."""
    made = method.craft(cropped.problem())
    assert cropped.clean() > 0.5
    assert cropped.learned(cropped.noisy(made)) < cropped.clean() / 2


def outlasts_adversarial_training(method: REM | SEM) -> None:
    """Of its radius, which EM does not. On CIFAR-10: of the embedded set it learns little even without noise."""
    train, test = cifar("train").take(np.arange(2000)), cifar("test")
    mine = replace(method, robustness=replace(method.robustness, steps=100, batch_size=64, radius=2 / 255))
    plain = EM(PGD(2 / 255, 3), Schedule(20, 64, 256, min_rounds=7, max_rounds=8))
    robust, em = (cropped.adversarially_learned(each, train, test) for each in (mine, plain))
    assert robust < em - 0.1
