"""Shared noise with a sign a sample: pairs that mirror each other, dealt by key, without a mean; EM's contract."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from methods import trained
from methods.contract import SMALL, check, problem
from test_dealing import resembling

from unlearn.crafting.signs import signed
from unlearn.errors import DataError
from unlearn.methods.em import EM
from unlearn.pgd import PGD

START = PGD(2 / 255, 1, random_start=True)


def test_contract() -> None:
    check(EM(START, deal="signed"), "class-wise")


def test_half_a_class_has_its_noise_and_half_the_negative() -> None:
    setting = problem(resembling(), "class-wise")
    made = EM(START, SMALL["schedule"], deal="signed").craft(setting)
    assert made.delta.shape[0] == 2 * setting.data.classes
    assert torch.equal(made.delta[0::2], -made.delta[1::2])
    assert made.delta.abs().max() > 0
    assert np.array_equal(made.row.numpy() // 2, setting.data.labels)
    assert 0.25 < (made.row.numpy() % 2).mean() < 0.75


def test_claim_a_class_has_hardly_a_mean_noise() -> None:
    """Which is what a linear classifier finds and orthogonal projection takes out."""
    setting = problem(trained.QUADRANTS[0], "class-wise")
    left = {}
    for deal in ("own", "signed"):
        made = EM(START, SMALL["schedule"], deal=deal).craft(setting)  # type: ignore[arg-type]
        levels = made.levels(torch.arange(len(setting.data))).double()
        means = torch.stack([levels[torch.from_numpy(setting.data.labels == label)].mean(0) for label in range(3)])
        left[deal] = float(means.norm() / levels.norm() * (len(levels) / 3) ** 0.5)
    assert left["own"] == pytest.approx(1.0)
    assert left["signed"] < 0.3


def test_signs_belong_to_samples_and_not_to_places() -> None:
    data = resembling()
    order = np.random.default_rng(0).permutation(len(data))
    assert np.array_equal(
        signed(problem(data.take(order), "class-wise")).row, signed(problem(data, "class-wise")).row[order]
    )


def test_samples_without_noise_stay_without() -> None:
    setting = problem(resembling(), "class-wise")
    some = replace(setting, row=np.where(np.arange(len(setting.row)) % 3 == 0, -1, setting.row).astype(np.int32))
    found = signed(some).row
    assert np.array_equal(found < 0, some.row < 0)
    made = EM(START, SMALL["schedule"], deal="signed").craft(some)
    assert int(made.levels(torch.from_numpy(np.flatnonzero(some.row < 0))).abs().max()) == 0


def test_members_of_both_signs_move_one_noise() -> None:
    """Storing what members ask for takes the mean over both, each seen with its own sign."""
    setting = signed(problem(resembling(), "class-wise"))
    noise = setting.noise(1 / 255)
    asked = torch.full((2, *noise.values.shape[1:]), 2 / 255)
    noise.store(torch.tensor([2, 3]), torch.stack([asked[0], -0.5 * asked[1]]))
    assert torch.allclose(noise.values[1], torch.full_like(noise.values[1], 1.5 / 255))
    assert torch.allclose(noise.delta(torch.tensor([3]))[0], -noise.values[1])
    assert int(noise.delta(torch.tensor([-1])).abs().max()) == 0


def test_a_row_and_its_negative_are_shared_even_with_a_member_each() -> None:
    setting = problem(resembling(), "class-wise")
    one_each = np.full(len(setting.row), -1, np.int32)
    one_each[:2] = 0, 1
    pair = replace(setting, row=one_each, signed=True)
    assert pair.shared
    assert not replace(pair, signed=False).shared


def test_noise_of_single_samples_is_refused() -> None:
    with pytest.raises(DataError, match="is dealt signed; in a recipe: rows: class-wise"):
        EM(deal="signed").craft(problem(resembling(), "sample-wise"))
