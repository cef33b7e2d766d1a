"""Amortized noise: its contract, its claims beside their controls, its share, processes and resumption, its recipes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_dataset, stopping
from methods import cropped, trained
from methods.contract import check, problem, small
from methods.learning import on_cifar10, recipe_holds_on_cifar

from unlearn import recipe
from unlearn.crafting import amortize, generator
from unlearn.crafting.amortization import Generator
from unlearn.crafting.checkpoint import Checkpoints
from unlearn.crafting.domain import Band
from unlearn.crafting.problem import ROWS, Problem
from unlearn.crafting.schedule import Schedule, Surrogate
from unlearn.crafting.workers import Workers
from unlearn.datasets import ImageDataset
from unlearn.errors import DataError, Interrupted
from unlearn.methods.amortized import Amortized
from unlearn.perturbation import Additive
from unlearn.settings import SGD
from unlearn.stretched import Stretched

TINY = small(Amortized(0.5, Generator(width=8, depth=1, cells=2, passes=2)))
QUICK = replace(TINY, schedule=replace(TINY.schedule, max_rounds=2, train_steps=2))
ONE = torch.device("cpu")


@pytest.mark.parametrize(("epsilon", "channels"), [(1 / 255, 1), (8 / 255, 3)])
def test_contract(epsilon: float, channels: int) -> None:
    check(TINY, "sample-wise", epsilon, channels)


def test_shared_rows_are_refused() -> None:
    with pytest.raises(DataError, match="amortized makes noise for one image at a time"):
        TINY.craft(problem(make_dataset(30), "class-wise"))


def test_on_a_coarse_grid() -> None:
    made = QUICK.craft(replace(problem(make_dataset(30), "sample-wise"), domain=Band(cells=5)))
    assert isinstance(made, Stretched)
    assert made.delta.shape == (30, 1, 5, 5)
    assert made.delta.any()


@pytest.fixture(scope="module")
def made() -> Additive:
    """Half of the images trained the generator that wrote the noise of all."""
    schedule = Schedule(train_steps=6, batch_size=24, pgd_batch_size=24, min_rounds=12, max_rounds=14)
    method = Amortized(0.5, Generator(width=8, depth=1, cells=1, lr=1e-3, passes=2), schedule)
    setting = problem(trained.QUADRANTS[0], "sample-wise", seed=1)
    crafted = method.craft(replace(setting, surrogate=Surrogate("small_cnn", SGD(0.05, clip=1.0))))
    assert isinstance(crafted, Additive)
    return crafted


def learned(made: Additive, index: np.ndarray | None = None) -> float:
    """Clean test accuracy of a network that starts from other weights than the surrogate did."""
    train, test = trained.QUADRANTS
    pixels = made.apply_pixels(train.images, np.arange(len(train)))
    part = np.arange(len(train)) if index is None else index
    return trained.learned((train.take(part), test), trained.SHORT, pixels[part])


def test_claim_a_network_trained_on_it_learns_little(made: Additive) -> None:
    """Less than half of the clean accuracy is left, also of the images that the generator never saw."""
    train = trained.QUADRANTS[0]
    reached = trained.clean("quadrants")
    rest = np.setdiff1d(np.arange(len(train)), amortize.chosen(problem(train, "sample-wise", seed=1), 0.5))
    assert len(rest) == 120
    assert reached > 0.9
    assert learned(made) < reached / 2
    assert learned(made, rest) < reached / 2
    control = made.control(train.images, np.arange(len(train)), train.keys)
    assert trained.learned(trained.QUADRANTS, trained.SHORT, control) > reached - 0.05


def test_noise_of_other_labels_does_not_protect(made: Additive) -> None:
    """The same rows, dealt to the images at random: it is the label in the noise that protects."""
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(made.row)))
    assert learned(replace(made, row=made.row[order])) > trained.clean("quadrants") - 0.1


@pytest.mark.slow
def test_claim_on_textures() -> None:
    """The embedded set's fine textures, where sample-wise EM in as many rounds leaves 0.40 of 0.61."""
    schedule = Schedule(train_steps=10, batch_size=64, pgd_batch_size=64, min_rounds=6, max_rounds=10)
    method = Amortized(0.25, Generator(width=16, depth=1, lr=1e-3, passes=2), schedule)
    assert cropped.clean() > 0.5
    assert cropped.learned(cropped.noisy(method.craft(cropped.problem()))) < cropped.clean() / 2


@on_cifar10
def test_claim_on_cifar10() -> None:
    recipe_holds_on_cifar("small/amortized")


def half_protected(data: ImageDataset) -> Problem:
    """Every second sample."""
    return replace(problem(data, "sample-wise"), row=ROWS["sample-wise"](data.labels, np.arange(len(data)) % 4 < 2))


def test_the_share_is_even_and_knows_no_order() -> None:
    data = make_dataset(120)
    setting = half_protected(data)
    index = amortize.chosen(setting, 0.25)
    assert np.bincount(data.labels[index[setting.row[index] >= 0]]).tolist() == [5, 5, 5]
    assert (setting.row[index] < 0).sum() == 15
    order = np.random.default_rng(0).permutation(120)
    other = replace(setting, data=data.take(order), row=np.where(setting.row[order] >= 0, order, -1).astype(np.int32))
    assert {data.ids[i] for i in index} == {other.data.ids[i] for i in amortize.chosen(other, 0.25)}
    assert len(amortize.chosen(setting, 1.0)) == 120


def test_images_outside_the_share_do_not_shape_the_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other pixels there change their own noise and nobody else's."""
    monkeypatch.setattr(amortize, "chosen", lambda problem, share: np.arange(30))
    data = make_dataset(60)
    other = ImageDataset(data.images.copy(), data.labels, data.names)
    other.images[45] //= 2
    one, two = (QUICK.craft(problem(each, "sample-wise")).delta for each in (data, other))
    assert [i for i in range(60) if not torch.equal(one[i], two[i])] == [45]


def test_unprotected_samples_have_no_noise() -> None:
    data = make_dataset(60)
    setting = half_protected(data)
    made = QUICK.craft(setting)
    assert len(made.delta) == 30
    assert np.array_equal(made.protected(np.arange(60)), setting.row >= 0)


def test_noise_depends_on_image_and_label_alone() -> None:
    """Batches of one and of many, at another size too; the label matters."""
    network = generator.build(Generator(width=8, depth=2, cells=3), 3, (3, 13, 13), 4, seed=0)
    images, labels = torch.rand(9, 3, 13, 13), torch.arange(9) % 4
    with torch.no_grad():
        whole = network(images, labels)
        single = torch.cat([network(images[i : i + 1], labels[i : i + 1]) for i in range(9)])
        others = network(images, (labels + 1) % 4)
        assert network(torch.rand(2, 3, 20, 17), labels[:2]).shape == (2, 3, 13, 13)
    assert (whole - single).abs().max() < 1e-6
    assert (whole - others).abs().flatten(1).max(1).values.min() > 1e-3
    assert whole.abs().max() < 1


def test_threads_do_not_matter() -> None:
    data = make_dataset(200)
    method = replace(QUICK, schedule=replace(QUICK.schedule, pgd_batch_size=90))
    made = [
        method.craft(replace(problem(data, "sample-wise"), workers=Workers(ONE, threads=count))).delta
        for count in (1, 3)
    ]
    assert torch.equal(*made)


@pytest.mark.parametrize("question", [1, 3, 6, 9])
def test_stopped_anywhere_it_goes_on_to_the_same_noise(question: int, tmp_path: Path) -> None:
    """In a surrogate step, in a step of the generator, a round later, in the last pass."""
    setting = problem(make_dataset(60), "sample-wise")
    stopped = replace(setting, workers=stopping(question), checkpoints=Checkpoints(tmp_path, every=1e9))
    with pytest.raises(Interrupted, match="goes on from it"):
        QUICK.craft(stopped)
    resumed = QUICK.craft(replace(setting, checkpoints=Checkpoints(tmp_path, every=1e9)))
    assert torch.equal(resumed.delta, QUICK.craft(setting).delta)


@pytest.mark.parametrize("name", ["amortized", "small/amortized"])
def test_recipes_are_amortized(name: str) -> None:
    settings = recipe.load(name)
    assert isinstance(settings.method, Amortized)
    assert settings.rows == "sample-wise"
