"""OPS: its contract, its claim (one pixel teaches a network all it learns), its recipes."""

import numpy as np
import pytest
from conftest import make_dataset
from methods.contract import check, problem
from methods.learning import both, cifar, clean, crafted, embedded, holds_on_cifar, learned, on_cifar10

from unlearn import recipe
from unlearn.crafting import shortcuts
from unlearn.datasets import ImageDataset
from unlearn.errors import DataError
from unlearn.methods.ops import OPS


@pytest.mark.parametrize("epsilon", [8 / 255, 1.0])
def test_contract(epsilon: float) -> None:
    for pixels in (1, 4):
        check(OPS(pixels), "class-wise", epsilon)
    check(OPS(), "class-wise", epsilon, channels=1)


def test_it_changes_so_many_pixels_and_no_more() -> None:
    data = make_dataset(72)
    pixels = OPS(3).craft(problem(data, "class-wise", 1.0)).apply_pixels(data.images, np.arange(72))
    assert ((pixels != data.images).any(1).sum((1, 2)) == 3).all()


def test_scores_are_the_mean_distance_over_its_deviation() -> None:
    """By the definition, corner after corner, for images that are not square."""
    images = np.random.default_rng(0).integers(0, 256, (50, 3, 4, 6), dtype=np.uint8)
    found = shortcuts.scores(images)
    for color, row in zip(shortcuts.corners(3), found, strict=True):
        distance = np.abs(images.astype(float) - color[:, None, None].astype(float)).sum(1).reshape(50, -1)
        assert np.allclose(row, distance.mean(0) / distance.std(0))


def test_classes_that_look_alike_get_pixels_of_their_own() -> None:
    images = np.repeat(make_dataset(1).images, 40, axis=0)
    data = ImageDataset(images, np.arange(40, dtype=np.int64) % 20, tuple(f"c{i}" for i in range(20)))
    made = OPS().craft(problem(data, "class-wise", 1.0))
    assert len({(int(p), tuple(c[0].tolist())) for p, c in zip(made.place, made.color, strict=True)}) == 20


def test_impossible_problems_are_refused() -> None:
    data = make_dataset(72)
    with pytest.raises(DataError, match="ops: a pixel stands for a class; in a recipe: rows: class-wise"):
        OPS().craft(problem(data, "sample-wise", 1.0))
    with pytest.raises(DataError, match="ops: 257 pixels of images that have 256"):
        OPS(257).craft(problem(data, "class-wise", 1.0))


def test_claim_a_network_trained_on_it_learns_little() -> None:
    pixels, _ = both(crafted(OPS(), embedded("train"), "class-wise", 1.0), embedded("train"))
    assert clean() > 0.85
    assert learned(pixels) < clean() / 2


@pytest.mark.slow
def test_claim_its_control_does_not_protect() -> None:
    _, control = both(crafted(OPS(), embedded("train"), "class-wise", 1.0), embedded("train"))
    assert learned(control) > clean() - 0.1


@on_cifar10
def test_claim_on_cifar10() -> None:
    holds_on_cifar(crafted(OPS(), cifar("train"), "class-wise", 1.0))


@pytest.mark.parametrize("name", ["ops", "small/ops"])
def test_recipes_are_the_papers(name: str) -> None:
    settings = recipe.load(name)
    assert settings.method == OPS(1)
    assert (settings.epsilon, settings.rows) == (1.0, "class-wise")
