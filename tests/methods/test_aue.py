"""AUE: its contract, its claims (little is learned, also of gray images), AAP as its setting, its recipes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_dataset
from methods import cropped
from methods.contract import check, problem
from methods.learning import on_cifar10, recipe_holds_on_cifar
from torch import Tensor, nn

from unlearn import recipe, training
from unlearn.crafting.schedule import Schedule
from unlearn.crafting.views import Jitter, Views, contrastive
from unlearn.methods.aue import AUE
from unlearn.pgd import PGD
from unlearn.settings import SGD

SHORT = Schedule(batch_size=32, pgd_batch_size=256, train_epochs=1, max_rounds=5, rate="cosine")
METHOD = AUE(PGD(2 / 255, 1), SHORT)


@pytest.mark.parametrize(("rows", "epsilon"), [("sample-wise", 8 / 255), ("class-wise", 2 / 255)])
def test_contract(rows: str, epsilon: float) -> None:
    check(AUE(), rows, epsilon)


def test_gray_images() -> None:
    check(AUE(), "sample-wise", channels=1)


def test_views_grow_with_the_strength() -> None:
    """Augment in utils.py of the released code; at 1 SimCLR's views."""
    assert contrastive(0) == Views(flip=True, jitter=Jitter(0, 0, 0, 0, 0))
    jitter = Jitter(0.8, 0.4, 0.4, 0.4, 0.1)
    assert contrastive(1) == Views(area=pytest.approx(0.1), flip=True, grayscale=0.2, jitter=jitter)
    half = contrastive(0.6)
    assert (half.area, half.grayscale) == pytest.approx((0.46, 0.12))
    assert half.jitter == Jitter(*map(pytest.approx, (0.48, 0.24, 0.24, 0.24, 0.06)))


def test_a_round_is_a_pass_at_a_falling_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []

    def update(network: nn.Module, optim: torch.optim.SGD, loss: Tensor, clip: float) -> None:
        rates.append(optim.param_groups[0]["lr"])

    monkeypatch.setattr(training, "update", update)
    method = AUE(
        PGD(2 / 255, 1), Schedule(batch_size=20, pgd_batch_size=72, train_epochs=1, max_rounds=2, rate="cosine")
    )
    method.craft(problem(make_dataset(72), "sample-wise"))
    assert len(rates) == 2 * 3
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == 0.1
    assert rates[3] == pytest.approx(0.05)


def test_aap_moves_images_to_the_next_class(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round of training on clean images, then noise that their surrogate takes for the class after theirs."""
    data = make_dataset(120, contrast=14)
    setting = replace(problem(data, "sample-wise"), surrogate=cropped.problem().surrogate)
    kept: list[nn.Module] = []
    method = AUE(PGD(2 / 255, 12), replace(SHORT, batch_size=20, train_epochs=8, max_rounds=1), strength=0.1, shift=1)
    real = training.optimizer
    with monkeypatch.context() as patch:
        patch.setattr(training, "optimizer", lambda network, *more: kept.append(network) or real(network, *more))
        made = method.craft(setting)
    noisy = torch.from_numpy(made.apply_pixels(data.images, np.arange(len(data))))
    seen = training.predictions(kept[0], noisy)
    assert float((seen == (torch.from_numpy(data.labels) + 1) % 3).float().mean()) > 0.9


def test_claim_a_network_trained_on_it_learns_little() -> None:
    made = METHOD.craft(cropped.problem("class-wise"))
    assert cropped.clean() > 0.5
    assert cropped.learned(cropped.noisy(made)) < cropped.clean() / 2


@on_cifar10
def test_claim_on_cifar10() -> None:
    recipe_holds_on_cifar("small/aue")


@pytest.mark.parametrize("name", ["aue", "aue-cifar100", "aap", "aap-cifar100", "small/aue"])
def test_recipes_are_aue(name: str) -> None:
    assert isinstance(recipe.load(name).method, AUE)


def test_the_papers_cifar10_settings() -> None:
    """aue.py and example.sh of the released code."""
    settings = recipe.load("aue")
    assert settings.method == AUE()
    assert settings.method.pgd == PGD(0.8 / 255, 5)
    assert settings.surrogate.sgd == SGD(0.1, 0.9, 1e-4, 0.0)
    assert (recipe.load("aue-cifar100").method.strength, recipe.load("aap").method.shift) == (1.0, 1)
