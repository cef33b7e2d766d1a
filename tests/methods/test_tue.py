"""TUE: its contract, its two losses, its claims (noise is linearly separable, little is learned), its recipes."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from conftest import make_dataset
from methods import cropped
from methods.contract import check, problem
from methods.learning import on_cifar10, recipe_holds_on_cifar
from torch import Tensor

from unlearn import recipe
from unlearn.crafting.contrasting import nt_xent, separability, two_views
from unlearn.crafting.schedule import Schedule
from unlearn.crafting.views import Views
from unlearn.methods.tue import TUE
from unlearn.perturbation import Additive
from unlearn.pgd import PGD
from unlearn.randomness import Draws

SHORT = Schedule(train_steps=4, batch_size=64, pgd_batch_size=400, max_rounds=3)
SMALL = TUE(features=8, contrast=0.5)
METHOD = TUE(PGD(2 / 255, 5, random_start=True), SHORT, features=16)


@pytest.mark.parametrize(("rows", "epsilon"), [("sample-wise", 8 / 255), ("class-wise", 2 / 255)])
def test_contract(rows: str, epsilon: float) -> None:
    check(SMALL, rows, epsilon)


def test_gray_images() -> None:
    check(SMALL, "sample-wise", channels=1)


def test_the_surrogate_has_features_for_outputs() -> None:
    setting = replace(problem(make_dataset(12), "sample-wise"), outputs=8)
    assert setting.network()(torch.zeros(2, 3, 16, 16)).shape == (2, 8)


def test_nt_xent_against_its_definition() -> None:
    outputs = torch.randn(10, 4, generator=torch.Generator().manual_seed(0))
    units = outputs / outputs.norm(dim=1, keepdim=True)
    terms = []
    for i in range(10):
        others = [j for j in range(10) if j != i]
        alike = torch.stack([(units[i] @ units[j] / 0.5).exp() for j in others])
        terms.append(-((units[i] @ units[(i + 5) % 10] / 0.5).exp() / alike.sum()).log())
    assert float(nt_xent(outputs, 0.5)) == pytest.approx(float(torch.stack(terms).mean()), rel=1e-5)


def test_two_views_are_two_and_another_pair_in_the_next_step() -> None:
    images = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    views = Views(area=0.3)

    def seen(step: int) -> Tensor:
        return two_views(torch.nn.Identity(), views, images, Draws(0, step, torch.arange(6)))

    everything = torch.cat([seen(step) for step in (-2, -1, 0, 1)]).flatten(1)
    apart = torch.cdist(everything, everything) + torch.eye(len(everything))
    assert float(apart.min()) > 0.01


def test_separability_against_its_definition() -> None:
    generator = torch.Generator().manual_seed(1)
    noise, labels = torch.randn(12, 3, 2, 2, generator=generator), torch.tensor([0, 0, 0, 4, 4, 4, 4, 7, 7, 7, 7, 7])
    groups = [noise.flatten(1)[labels == label] for label in (0, 4, 7)]
    spread = [(group - group.mean(0)).norm(dim=1).mean() for group in groups]
    centers = [group.mean(0) for group in groups]
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    wanted = torch.stack([(spread[i] + spread[j]) / (centers[i] - centers[j]).norm() for i, j in pairs]).mean()
    assert float(separability(noise, labels)) == pytest.approx(float(wanted), rel=1e-5)
    assert float(separability(noise[:3], labels[:3])) == 0


def test_separability_draws_classes_together_and_apart() -> None:
    """Its gradient passes through the spread too, which the released code detaches."""
    noise = torch.randn(40, 20, generator=torch.Generator().manual_seed(2)).requires_grad_()
    labels = torch.arange(40) % 4
    (gradient,) = torch.autograd.grad(separability(noise, labels), noise)

    def parts(points: Tensor) -> tuple[float, float]:
        centers = torch.stack([points[labels == label].mean(0) for label in range(4)])
        return float((points - centers[labels]).norm(dim=1).mean()), float(torch.pdist(centers).mean())

    before, after = parts(noise.detach()), parts(noise.detach() - 2 * gradient)
    assert after[0] < before[0]
    assert after[1] > before[1]


def test_equal_noise_has_a_gradient_without_nan() -> None:
    noise = torch.zeros(6, 5, requires_grad=True)
    (gradient,) = torch.autograd.grad(separability(noise, torch.arange(6) % 3), noise)
    assert bool(torch.isfinite(gradient).all())


@cache
def crafted() -> Additive:
    made = METHOD.craft(cropped.problem())
    assert isinstance(made, Additive)
    return made


def held_out(noise: Tensor, labels: Tensor) -> float:
    """Accuracy of least squares on half of the noise, fitted to the other half."""
    points, half = noise.float().flatten(1), len(noise) // 2
    targets = torch.nn.functional.one_hot(labels).float() - 1 / (int(labels.max()) + 1)
    kernel = points[:half] @ points[:half].T
    weights = torch.linalg.solve(kernel + 0.1 * kernel.diagonal().mean() * torch.eye(half), targets[:half])
    return float(((points[half:] @ points[:half].T @ weights).argmax(1) == labels[half:]).float().mean())


def test_claim_its_noise_is_linearly_separable_also_where_nothing_was_fitted() -> None:
    labels, made = torch.from_numpy(cropped.TRAIN.labels), crafted()
    random = torch.randint(-8, 9, made.delta.shape, generator=torch.Generator().manual_seed(0))
    assert held_out(random, labels) < 0.3
    assert held_out(made.delta, labels) > 0.95


def test_claim_a_network_trained_on_it_learns_little() -> None:
    assert cropped.clean() > 0.5
    assert cropped.learned(cropped.noisy(crafted())) < cropped.clean() / 2


@on_cifar10
def test_claim_on_cifar10() -> None:
    """Three quarters, not half, which the test above shows where fewer steps are enough.

    The surrogate learns without labels, and the recipe's 120 steps are 1/32 of the paper's: 44.7 of 66.5 % are left,
    and 42.5 after five times as many. Victims of thirty epochs keep about half (audits/small-long).
    """
    recipe_holds_on_cifar("small/tue", share=0.75)


@pytest.mark.parametrize("name", ["tue", "tue-cifar100", "small/tue"])
def test_recipes_are_tue(name: str) -> None:
    assert isinstance(recipe.load(name).method, TUE)


def test_the_released_cifar10_settings() -> None:
    """demo.sh of the released code but for the contrastive weight: 40 passes of 97 whole batches, 20 at a time."""
    method = recipe.load("tue").method
    assert method == TUE()
    assert method.schedule.max_rounds == 40 * (50_000 // 512) // 20
    assert np.isclose(method.separability, 0.1)
