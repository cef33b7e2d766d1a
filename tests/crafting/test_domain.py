"""Noise on a coarse grid: its shape, its budget, one process or two halves, and the perturbation that comes out."""

import dataclasses

import numpy as np
import pytest
import torch
from conftest import make_dataset

from unlearn.crafting.domain import Band, EveryPixel
from unlearn.crafting.problem import Problem, class_wise, sample_wise
from unlearn.crafting.schedule import Schedule, Surrogate
from unlearn.crafting.views import Views
from unlearn.interpolation import spline_weights
from unlearn.methods.em import EM
from unlearn.methods.random import Random
from unlearn.pgd import PGD
from unlearn.settings import SGD
from unlearn.stretched import Stretched

FEW = Schedule(train_steps=4, batch_size=30, pgd_batch_size=30, min_rounds=3, max_rounds=3)
METHOD = EM(PGD(4 / 255, 1), FEW, Views(size=12, crop=0.7, flip=True, jpeg=0.5, half=0.3, grayscale=0.2))


def problem(rows=class_wise, domain: Band | EveryPixel = Band(6, luma=False)) -> Problem:  # type: ignore[no-untyped-def]
    data = make_dataset()
    surrogate = Surrogate("small_cnn", SGD(lr=0.05, clip=1.0))
    return Problem(data, rows(data.labels, np.ones(len(data), bool)), 8 / 255, surrogate, domain=domain)


@pytest.mark.parametrize(("luma", "channels"), [(True, 1), (False, 3)])
def test_a_band_has_its_own_shape_and_keeps_the_budget(luma: bool, channels: int) -> None:
    made = METHOD.craft(problem(domain=Band(6, luma)))
    assert isinstance(made, Stretched)
    assert made.delta.shape == (3, channels, 6, 6)
    assert made.delta.dtype == torch.int16
    assert 0 < int(made.delta.abs().max()) <= 8 * 256
    on = made.on_pixels((3, 16, 16))
    assert on.delta.shape == (3, 3, 16, 16)
    assert 0 < int(on.delta.abs().max()) <= 8


def test_sample_wise_rows_on_a_band() -> None:
    made = METHOD.craft(problem(sample_wise))
    assert made.delta.shape == (60, 3, 6, 6)


def test_random_noise_on_a_band() -> None:
    made = Random().craft(problem())
    assert isinstance(made, Stretched)
    assert made.delta.unique().numel() > 5


def test_luma_noise_is_the_same_in_all_channels() -> None:
    on = METHOD.craft(problem(domain=Band(6, luma=True))).on_pixels((3, 16, 16)).delta
    assert torch.equal(on[:, 0], on[:, 1])
    assert torch.equal(on[:, 0], on[:, 2])


def test_the_surrogate_learns_from_the_band() -> None:
    data = make_dataset(contrast=0)  # without noise there is nothing to learn
    one = dataclasses.replace(
        problem(domain=Band(8, luma=False)), data=data, row=class_wise(data.labels, np.ones(60, bool))
    )
    rounds = dataclasses.replace(FEW, train_steps=12, min_rounds=8, max_rounds=8)
    made = EM(PGD(4 / 255, 1), rounds).craft(one).on_pixels((3, 16, 16)).delta.float()
    assert float(torch.corrcoef(made.flatten(1))[0, 1]) < 0.5


def test_restarted_surrogates_change_the_noise_and_resume_the_same() -> None:
    first = EM(PGD(4 / 255, 1), dataclasses.replace(FEW, restart=1)).craft(problem())
    again = EM(PGD(4 / 255, 1), dataclasses.replace(FEW, restart=1)).craft(problem())
    never = EM(PGD(4 / 255, 1), FEW).craft(problem())
    assert torch.equal(first.delta, again.delta)
    assert not torch.equal(first.delta, never.delta)


def test_a_window_leaves_no_tint() -> None:
    grid = torch.rand(4, 3, 16, 16) * 0.01 + torch.rand(4, 3, 1, 1) * 0.02 - 0.01
    images = torch.zeros(4, 3, 1, 1)
    plain, windowed = (Band(16, False, window).project(grid, images, 8 / 255) for window in (None, 5))
    assert float(plain.mean((2, 3)).abs().max()) > 0.004
    assert float(windowed.mean((2, 3)).abs().max()) < 0.0005
    made = EM(PGD(4 / 255, 1), FEW).craft(problem(domain=Band(12, False, 5)))
    means = made.delta.float().mean((2, 3)).abs()
    assert float(means.max()) < 0.25 * float(made.delta.float().abs().mean())


def test_what_is_applied_is_what_was_crafted() -> None:
    made = METHOD.craft(problem())
    images = torch.full((3, 3, 16, 16), 0.5)
    direct = made.apply(images, torch.tensor([0, 1, 2]))
    domain = Band(6, luma=False).noisy(images, made.delta[made.row[:3].long()].float() / 256 / 255)
    assert torch.allclose(direct, domain, atol=1e-6)


def test_unprotected_samples_stay_as_they_are() -> None:
    made = Stretched(torch.full((1, 1, 4, 4), 2048, dtype=torch.int16), torch.tensor([0, -1]), 8 / 255)
    images = torch.full((2, 3, 8, 8), 0.5)
    moved = made.apply(images, torch.tensor([1, 0]))
    assert torch.equal(moved[0], images[0])
    assert torch.allclose(moved[1], images[1] + 8 / 255)


def test_a_grid_beyond_the_budget_is_refused() -> None:
    with pytest.raises(Exception, match=r"delta reaches 9 levels, the budget is 8"):
        Stretched(torch.full((1, 1, 4, 4), 9 * 256, dtype=torch.int16), torch.tensor([0]), 8 / 255)


@pytest.mark.parametrize(("size", "cells"), [(250, 32), (7, 32), (1, 2), (33, 33), (4000, 64)])
def test_interpolation_is_convex_and_smooth(size: int, cells: int) -> None:
    weights = spline_weights(size, cells)
    assert weights.shape == (size, cells)
    assert weights.min() >= 0
    assert np.allclose(weights.sum(1), 1, atol=1e-5)
    ramp = weights @ np.arange(cells, dtype=np.float32)
    assert (np.diff(ramp) >= -1e-4).all()
    assert np.allclose(ramp, ramp[-1] - ramp[::-1] + ramp[0], atol=1e-3)
