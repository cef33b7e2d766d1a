"""Rows dealt apart: the same rows, none of them to whom it resembles, whatever the grid, the channels and the rows."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from methods.contract import SMALL, check, problem

from unlearn import recipe, schema
from unlearn.crafting import dealing
from unlearn.crafting.problem import Problem
from unlearn.datasets import ImageDataset
from unlearn.errors import DataError
from unlearn.methods.em import EM
from unlearn.perturbation import Additive
from unlearn.progress import Silent
from unlearn.stretched import Stretched

CLASSES = 5


def patterns(side: int, channels: int = 3) -> torch.Tensor:
    """A smooth pattern a class, levels in [-8, 8]: float (CLASSES, channels, side, side)."""
    coarse = torch.from_numpy(np.random.default_rng(0).normal(size=(CLASSES, channels, 4, 4))).float()
    return torch.nn.functional.interpolate(coarse, size=side, mode="bilinear").clamp(-2, 2) * 4


def resembling(side: int = 16, channels: int = 3) -> ImageDataset:
    """Twelve images a class: gray, noise, and the pattern of their class."""
    labels = np.repeat(np.arange(CLASSES), 12)
    drawn = np.random.default_rng(1).normal(size=(len(labels), 3, side, side)) * 10
    shown = 128 + drawn + patterns(side, channels).numpy()[labels]
    return ImageDataset(shown.clip(0, 255).astype(np.uint8), labels, tuple(map(str, range(CLASSES))))


def own(setting: Problem, noise: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """How much every class is like the row that it has, on average."""
    alike = dealing.likeness(setting.data.images, noise.delta)
    return np.array([alike[setting.row == row, row].mean() for row in np.unique(setting.row[setting.row >= 0])])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("stretched", [False, True])
def test_nobody_keeps_what_resembles_it(stretched: bool, channels: int) -> None:
    setting = problem(resembling(channels=channels), "class-wise")
    row = torch.from_numpy(setting.row)
    noise: Additive | Stretched
    if stretched:
        noise = Stretched((patterns(8, channels) * 256).to(torch.int16), row, 8 / 255)
    else:
        noise = Additive(patterns(16, 3).to(torch.int8) if channels == 3 else _luma(), row, 8 / 255)
    assert own(setting, noise).min() > 0.5
    dealt = dealing.apart(setting, noise)
    assert own(setting, dealt).max() < 0
    assert type(dealt) is type(noise)
    assert torch.equal(dealt.row, noise.row)
    assert sorted(map(bytes, dealt.delta.numpy())) == sorted(map(bytes, noise.delta.numpy()))


def _luma() -> torch.Tensor:
    return patterns(16, 1).expand(-1, 3, -1, -1).contiguous().to(torch.int8)


def test_samples_without_noise_do_not_count() -> None:
    data = resembling()
    setting = problem(data, "class-wise")
    half = replace(setting, row=np.where(np.arange(len(data)) % 2, setting.row, -1).astype(np.int32))
    noise = Additive(patterns(16).to(torch.int8), torch.from_numpy(half.row), 8 / 255)
    dealt = dealing.apart(half, noise)
    assert own(half, dealt).max() < 0
    untouched = np.flatnonzero(half.row < 0)
    assert np.array_equal(dealt.apply_pixels(data.images[untouched], untouched), data.images[untouched])


def test_classes_without_noise_take_no_part() -> None:
    data = resembling()
    setting = problem(data, "class-wise")
    some = replace(setting, row=np.where(np.isin(setting.row, (1, 3, 4)), setting.row, -1).astype(np.int32))
    noise = Additive(patterns(16).to(torch.int8), torch.from_numpy(some.row), 8 / 255)
    dealt = dealing.apart(some, noise)
    assert own(some, dealt).max() < 0 < own(some, noise).min()
    assert torch.equal(dealt.delta[[0, 2]], noise.delta[[0, 2]])
    assert sorted(map(bytes, dealt.delta.numpy())) == sorted(map(bytes, noise.delta.numpy()))


def test_one_class_keeps_its_noise() -> None:
    data = resembling().take(np.arange(12))
    setting = replace(problem(data, "class-wise"), row=np.zeros(12, dtype=np.int32))
    noise = Additive(patterns(16)[:1].to(torch.int8), torch.from_numpy(setting.row), 8 / 255)
    assert torch.equal(dealing.apart(setting, noise).delta, noise.delta)


def test_what_it_changed_is_told() -> None:
    told: dict[str, Any] = {}

    class Kept(Silent):
        def log(self, event: str, **facts: Any) -> None:
            told[event] = facts

    setting = replace(problem(resembling(), "class-wise"), progress=Kept())
    dealing.apart(setting, Additive(patterns(16).to(torch.int8), torch.from_numpy(setting.row), 8 / 255))
    assert told["dealt"]["likeness"] < 0 < told["dealt"]["before"]


def test_em_dealt_apart_is_em_in_another_order() -> None:
    check(EM(deal="apart"), "class-wise")
    setting = problem(resembling(), "class-wise")
    plain, dealt = (EM(SMALL["pgd"], SMALL["schedule"], deal=deal).craft(setting) for deal in ("own", "apart"))
    assert sorted(map(bytes, plain.delta.numpy())) == sorted(map(bytes, dealt.delta.numpy()))
    assert own(setting, dealt).mean() < own(setting, plain).mean()


def test_noise_of_single_samples_is_refused() -> None:
    with pytest.raises(DataError, match="rows: class-wise"):
        EM(deal="apart").craft(problem(resembling(), "sample-wise"))


def test_it_is_written_where_it_is_asked_for() -> None:
    """A recipe's hash is that of what is written; other recipes of EM keep theirs."""
    assert "deal" not in schema.plain(EM())
    assert schema.plain(EM(deal="apart"))["deal"] == "apart"
    assert recipe.load("photos/mid", ["method.deal=own"]).hash != recipe.load("photos/mid").hash
