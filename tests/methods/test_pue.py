"""PUE: its contract, its losses under weight noise, its claims (little is learned, also nearby), its recipes."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import make_dataset
from methods import cropped
from methods.contract import check, problem
from methods.learning import on_cifar10, recipe_holds_on_cifar
from torch import Tensor, nn

from unlearn import recipe, training
from unlearn.crafting import smoothing
from unlearn.crafting.alternate import MIN_MIN, Objective, Seen
from unlearn.crafting.schedule import Schedule
from unlearn.crafting.workers import alone
from unlearn.methods.em import EM
from unlearn.methods.pue import PUE
from unlearn.pgd import PGD
from unlearn.randomness import Draws
from unlearn.settings import SGD

TINY = PUE(sigma=0.05, levels=2, train_samples=1)
SCHEDULE = Schedule(10, 64, 256, min_rounds=6, max_rounds=6)
METHOD = replace(TINY, pgd=PGD(1.6 / 255, 1), schedule=SCHEDULE, levels=3)


@pytest.mark.parametrize(("rows", "epsilon"), [("class-wise", 8 / 255), ("sample-wise", 2 / 255)])
def test_contract(rows: str, epsilon: float) -> None:
    check(TINY, rows, epsilon)


def test_levels_are_evenly_spaced_from_zero() -> None:
    assert PUE().deviations == pytest.approx((0, 0.05, 0.1, 0.15, 0.2, 0.25))


def test_weight_noise_is_gaussian_and_depends_on_the_step_only() -> None:
    network = training.build("small_cnn", 3, (3, 16, 16), 0)
    one, same, other = (
        smoothing.shaken(network, Draws(0, step, torch.arange(keys)), 0.3) for step, keys in ((4, 2), (4, 9), (5, 2))
    )
    moved = torch.cat([(one[name] - weight).flatten() for name, weight in network.named_parameters()]) / 0.3
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["0.0.weight"], other["0.0.weight"])
    assert float(moved.mean().abs()) < 0.02
    assert float(moved.std()) == pytest.approx(1, abs=0.02)
    assert float((moved.abs() > 2).float().mean()) == pytest.approx(0.0455, abs=0.005)


def averaged(network: nn.Module, deviations: tuple[float, ...], samples: int, draws: Draws, value: object) -> Tensor:
    """A loss at every shaken copy of a network, weighed by hand."""
    total = torch.zeros(())
    for level, deviation in enumerate(deviations):
        for sample in range(samples):
            twin = copy.deepcopy(network)
            weights = smoothing.shaken(network, draws, deviation, f"weights-{level}-{sample}")
            twin.load_state_dict({**network.state_dict(), **weights})
            total = total + value(twin) / (samples * len(deviations))  # type: ignore[operator]
    return total


def test_the_noise_steps_gradient_is_the_mean_over_weights() -> None:
    setting = problem(make_dataset(12), "sample-wise")
    frozen = smoothing.still(setting.network())
    images = training.to_float(setting.batches.images).requires_grad_()
    draws = Draws(0, -3, setting.batches.keys)
    labels, deviations = setting.batches.labels, (0.0, 0.02, 0.04)
    value = smoothing.noise_loss(deviations, 2)(frozen, Seen(images, images, labels, draws))
    (found,) = torch.autograd.grad(value, images)
    by_hand = averaged(frozen, deviations, 2, draws, lambda net: F.cross_entropy(net(images), labels, reduction="sum"))
    (wanted,) = torch.autograd.grad(by_hand, images)
    assert torch.allclose(found, wanted, atol=1e-6)


def test_the_surrogates_gradient_is_the_mean_over_weights() -> None:
    setting = problem(make_dataset(12), "sample-wise")
    network = setting.network().eval()
    images, labels = training.to_float(setting.batches.images), setting.batches.labels
    draws = Draws(0, 3, setting.batches.keys)
    smoothing.surrogate_loss((0.0, 0.03), 2)(network, images, labels, draws).backward()
    found = network[0][0].weight.grad
    wanted = torch.zeros_like(found)
    for level, deviation in enumerate((0.0, 0.03)):
        for sample in range(2):
            twin = copy.deepcopy(network)
            weights = smoothing.shaken(network, draws, deviation, f"weights-{level}-{sample}")
            twin.load_state_dict({**network.state_dict(), **weights})
            twin.zero_grad()
            F.cross_entropy(twin(images), labels).backward()
            wanted += twin[0][0].weight.grad / 4
    assert torch.allclose(found, wanted, atol=1e-6)


def test_plain_em_takes_its_place_until_half_is_predicted() -> None:
    late = Objective(1.0, "fall", before=MIN_MIN)
    assert late.at(()) is MIN_MIN
    assert late.at((0.9, 0.6)) is MIN_MIN
    assert late.at((0.9, 0.4, 0.7)) is late


def test_threads_do_not_matter() -> None:
    method = replace(METHOD, schedule=replace(SCHEDULE, max_rounds=2, min_rounds=2, train_steps=12, batch_size=32))
    data = make_dataset(150, contrast=40)
    one, three = (
        method.craft(replace(problem(data, "class-wise"), workers=alone(threads=threads))).delta for threads in (1, 3)
    )
    assert torch.equal(one, three)


def learnability(network: nn.Module, deviation: float, copies: int = 20) -> float:
    """The 0.9 quantile of clean accuracy over Gaussian noise on the weights, which the paper certifies from."""
    network.eval()
    found = []
    for number in range(copies):
        twin = copy.deepcopy(network)
        twin.load_state_dict(
            {
                **network.state_dict(),
                **smoothing.shaken(network, Draws(0, number, torch.arange(1)), deviation, "certify"),
            }
        )
        found.append(cropped.accuracy(twin))
    return float(np.quantile(found, 0.9))


def test_claim_a_network_trained_on_it_learns_little_and_neither_do_its_neighbors() -> None:
    made = METHOD.craft(cropped.problem("class-wise", lr=0.05))
    victim = cropped.trained(cropped.noisy(made))
    assert cropped.clean() > 0.5
    assert cropped.accuracy(victim) < cropped.clean() / 2
    assert learnability(victim, 0.02) < cropped.clean() / 2


@on_cifar10
def test_claim_on_cifar10() -> None:
    recipe_holds_on_cifar("small/pue")


@pytest.mark.parametrize("name", ["pue", "pue-cifar100", "small/pue"])
def test_recipes_are_pue(name: str) -> None:
    assert isinstance(recipe.load(name).method, PUE)


def test_the_released_cifar10_settings() -> None:
    settings = recipe.load("pue")
    assert settings.method.sigma == 0.25
    assert settings.method == PUE(schedule=Schedule(10, 128, 512, 0.2, 0.01))
    assert settings.surrogate.sgd == SGD(0.1, 0.9, 5e-4, 5.0)
    assert settings.rows == "class-wise"


def test_em_is_pue_without_weight_noise() -> None:
    """With a vanishing sigma both craft the same: the averages are EM's losses, and only rounding differs."""
    data = make_dataset(72, contrast=30)
    schedule = Schedule(5, 32, 72, max_rounds=2, stop_error=0.0)
    almost = PUE(PGD(2 / 255, 1), schedule, sigma=1e-9, levels=2, train_samples=1).craft(problem(data, "class-wise"))
    em = EM(PGD(2 / 255, 1), schedule).craft(problem(data, "class-wise"))
    assert float((almost.delta != em.delta).float().mean()) < 0.05
