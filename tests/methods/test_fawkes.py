"""Fawkes: its contract, its claims (features move, the dissimilarity stays within its budget), its recipes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from methods import faces
from methods.contract import check

from unlearn import recipe
from unlearn.crafting import similarity
from unlearn.crafting.domain import Band
from unlearn.errors import DataError
from unlearn.methods.fawkes import Fawkes

DATA = faces.people(2, 3)


def test_contract() -> None:
    check(Fawkes(steps=2), "sample-wise")


@pytest.mark.parametrize("budget", [0.004, 0.012])
def test_claim_features_move_within_the_dissimilarity(budget: float) -> None:
    setting = faces.settled(DATA, "sample-wise", 15 / 255)
    made = Fawkes(dissimilarity=budget, steps=40).craft(setting)
    found = faces.cosines(setting, made)
    assert found.cloaked < found.random - 0.05
    pixels = made.apply_pixels(DATA.images, np.arange(len(DATA)))
    apart = similarity.dssim(*(torch.from_numpy(images).float() / 255 for images in (DATA.images, pixels)))
    assert float(apart.max()) < 1.1 * budget + 2e-4
    assert float(apart.min()) > 0.5 * budget


def test_a_target_is_approached() -> None:
    """Towards the mean features of the other person: nearer to them than random noise comes."""
    setting = faces.settled(DATA, "sample-wise")
    made = Fawkes(target=True, steps=40).craft(setting)
    swapped = replace(setting, data=replace(DATA, labels=1 - DATA.labels))
    pixels = made.apply_pixels(DATA.images, np.arange(len(DATA)))
    assert faces.likeness(swapped, pixels, DATA) > faces.likeness(swapped, DATA.images, DATA) + 0.1


def test_a_photo_gets_the_same_cloak_but_for_rounding_in_another_batch() -> None:
    together = Fawkes(steps=10, batch_size=8).craft(faces.settled(DATA, "sample-wise"))
    apart = Fawkes(steps=10, batch_size=3).craft(faces.settled(DATA, "sample-wise"))
    assert float((together.delta != apart.delta).float().mean()) < 0.02


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embedders": ()}, "fawkes moves features of faces and needs embedders"),
        ({"domain": Band(8)}, "leave out `band`"),
        ({"row": DATA.labels.astype(np.int32)}, "rows: sample-wise"),
    ],
)
def test_what_it_cannot_work_on(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Fawkes().craft(replace(faces.settled(DATA, "sample-wise"), **change))  # type: ignore[arg-type]


def test_a_target_needs_a_second_label() -> None:
    alone = DATA.take(np.flatnonzero(DATA.labels == 0))
    with pytest.raises(DataError, match="second label"):
        Fawkes(target=True).craft(faces.settled(alone, "sample-wise"))


def test_recipes() -> None:
    """The modes of release 1.0."""
    for mode, settings in (("low", (0.004, 40, 25)), ("mid", (0.012, 75, 20)), ("high", (0.017, 150, 15))):
        assert recipe.load(f"faces/fawkes-{mode}").method == Fawkes(*settings)
    assert recipe.load("fawkes").method == Fawkes()
    assert recipe.load("fawkes").embedders == ("facenet", "dlib")
