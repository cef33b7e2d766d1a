"""DUNE: its contract, its claim, one budget for both branches, the swarm, its recipes."""

from dataclasses import replace

import pytest
import torch
from conftest import make_dataset
from methods import trained
from methods.contract import check, problem, small
from methods.learning import on_cifar10, recipe_holds_on_cifar

from unlearn import recipe
from unlearn.crafting import swarm
from unlearn.crafting.domain import Band
from unlearn.errors import DataError
from unlearn.methods.dune import Dune
from unlearn.pgd import PGD

TINY = Dune(shift=1, networks=2, judges=8, particles=4, rounds=3)
STEPS = PGD(1 / 255, 8)


@pytest.mark.parametrize("epsilon", [1 / 255, 8 / 255])
def test_contract(epsilon: float) -> None:
    check(TINY, "sample-wise", epsilon)


def test_gray_images() -> None:
    check(TINY, "sample-wise", channels=1)


def test_claim_a_victim_learns_the_wrong_class() -> None:
    """At most half of the clean accuracy, crafted on one seed's networks and learned by another's."""
    method = replace(TINY, pgd=STEPS, judges=20, pretrain=trained.SHORT)
    found = trained.learned_from(method, trained.QUADRANTS, trained.SHORT)
    assert found < trained.clean("quadrants") / 2


def test_both_branches_share_the_budget() -> None:
    """A class's images differ in the shift and the noise: 4 levels each, and no more than 8 together."""
    data = make_dataset(60, contrast=20)
    made = small(Dune(share=0.5, shift=1, networks=2, judges=8)).craft(problem(data, "sample-wise"))
    spatial = small(Dune(share=0.0, shift=1, networks=2)).craft(problem(data, "sample-wise", 4 / 255))
    shift = made.delta.int() - spatial.delta.int()
    assert int(made.delta.abs().max()) <= 8
    assert int(shift.abs().max()) <= 4
    for label in range(3):
        mine = shift[torch.from_numpy(data.labels) == label]
        assert (mine == mine[:1, :, :1, :1]).all()
    assert shift.abs().max() > 0


def test_shifts_and_noise_of_a_large_budget_do_not_wrap() -> None:
    """Each fits 8 bits, and their sum does not."""
    method = replace(small(Dune(share=0.5, shift=1, networks=1, judges=8)), pgd=PGD(125 / 255, 1))
    made = method.craft(problem(make_dataset(30, contrast=20), "sample-wise", 250 / 255))
    assert made.delta.abs().max() > 127


def test_the_swarm_finds_a_minimum() -> None:
    goal = torch.tensor([0.02, -0.01, 0.03])
    box = swarm.Box(3, 0.04, seed=0)
    found = swarm.smallest(box, 20, 30, lambda place: float(((place - goal) ** 2).sum()))
    assert torch.allclose(found, goal, atol=0.004)
    corner = swarm.smallest(box, 20, 30, lambda place: -float(place.sum()))
    assert found.abs().max() <= 0.04
    assert (corner > 0.02).all()
    assert corner.max() <= 0.04


def test_noise_on_a_grid_is_refused() -> None:
    with pytest.raises(DataError, match="band"):
        TINY.craft(replace(problem(make_dataset(30), "sample-wise"), domain=Band(8)))


@pytest.mark.parametrize("name", ["dune", "small/dune"])
def test_recipes(name: str) -> None:
    assert isinstance(recipe.load(name).method, Dune)


@on_cifar10
def test_claim_on_cifar10() -> None:
    """Three quarters: half is reached on some images and not on these, see data/results; 0.45 of 0.67 is left.

    On the embedded set it protects even less: 0.53 of 0.94 is left as small/dune crafts it (an EPYC with AVX-512).
    """
    recipe_holds_on_cifar("small/dune", share=0.75)
