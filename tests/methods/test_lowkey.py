"""LowKey: its contract, its claims (features move, also of the blurred photo; looks count), its recipes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from methods import faces
from methods.contract import check

from unlearn import recipe
from unlearn.crafting import similarity
from unlearn.crafting.blurring import blurred
from unlearn.crafting.domain import Band
from unlearn.errors import DataError
from unlearn.methods.lowkey import LowKey
from unlearn.stretched import Stretched

DATA = faces.people(2, 3)


def test_contract() -> None:
    check(LowKey(steps=1, views="drawn"), "sample-wise")


def looks(pixels: np.ndarray) -> float:  # type: ignore[type-arg]
    pair = (torch.from_numpy(images).float() / 255 for images in (DATA.images, pixels))
    return float(similarity.multi_scale(*pair).mean())


def softly(pixels: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    images = torch.from_numpy(pixels).float()
    return np.asarray(blurred(images, torch.full((len(images),), 3.0), 3).round().byte())


@pytest.mark.parametrize("views", ["all", "drawn"])
def test_claim_features_move_also_when_the_photo_is_blurred(views: str) -> None:
    setting = faces.settled(DATA, "sample-wise")
    made = LowKey(steps=15, views=views).craft(setting)  # type: ignore[arg-type]
    found = faces.cosines(setting, made)
    assert found.cloaked < found.random - 0.05
    pixels = made.apply_pixels(DATA.images, np.arange(len(DATA)))
    assert faces.likeness(setting, softly(pixels), DATA) < faces.likeness(setting, softly(DATA.images), DATA) - 0.02


def test_looks_are_weighed_against_features() -> None:
    setting = faces.settled(DATA, "sample-wise")
    bold, shy = (LowKey(steps=10, looks=weight, views="drawn").craft(setting) for weight in (0.0, 100.0))
    index = np.arange(len(DATA))
    assert looks(shy.apply_pixels(DATA.images, index)) > looks(bold.apply_pixels(DATA.images, index)) + 0.01
    assert faces.cosines(setting, shy).cloaked > faces.cosines(setting, bold).cloaked


def test_on_a_coarse_grid() -> None:
    made = LowKey(steps=3).craft(replace(faces.settled(DATA, "sample-wise"), domain=Band(8)))
    assert isinstance(made, Stretched)
    assert made.delta.shape == (len(DATA), 1, 8, 8)


def test_without_embedders() -> None:
    with pytest.raises(DataError, match="lowkey moves features of faces and needs embedders"):
        LowKey().craft(replace(faces.settled(DATA, "sample-wise"), embedders=()))


def test_recipes() -> None:
    assert recipe.load("lowkey").method == LowKey()
    for intensity in ("low", "mid", "high"):
        assert recipe.load(f"faces/lowkey-{intensity}").method == LowKey(views="drawn")
