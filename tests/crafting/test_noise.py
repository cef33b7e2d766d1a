"""The grid holds every value the loop can reach; shared rows are means that no split of the work changes."""

from fractions import Fraction
from pathlib import Path

import pytest
import torch

from unlearn import pgd, placing
from unlearn.crafting import noise


@pytest.mark.parametrize(
    ("epsilon", "step", "unit"),
    [
        (8, 0.8, Fraction(1, 5)),
        (16, 1.6, Fraction(1, 5)),
        (24, 2.4, Fraction(1, 5)),
        (8, 2, Fraction(1)),
        (4, 0.5, Fraction(1, 2)),
        (8, 1.6, Fraction(1, 5)),
    ],
)
def test_unit_is_the_greatest_common_divisor(epsilon: float, step: float, unit: Fraction) -> None:
    assert noise.unit_of(epsilon / 255, step / 255) == unit


def test_two_hundred_steps_lose_nothing_on_the_grid() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (4, 3, 8, 8), generator=generator) / 255
    grid = noise.grid(4, (3, 8, 8), 8 / 255, 0.8 / 255, noise.placed(torch.device("cpu")))
    exact = torch.zeros_like(images)
    rows = torch.arange(4)
    for _ in range(200):
        gradient = torch.randn(images.shape, generator=generator)
        exact = pgd.step(exact, gradient, images, 8 / 255, 0.8 / 255)
        grid.store(rows, grid.encode(pgd.step(grid.delta(rows), gradient, images, 8 / 255, 0.8 / 255)))
    assert grid.values.dtype == torch.int8
    assert float((grid.delta(rows) - exact).abs().max()) < 1e-3 / 255


def test_wide_grids_use_sixteen_bits() -> None:
    grid = noise.grid(1, (1, 2, 2), 8 / 255, 0.01 / 255, noise.placed(torch.device("cpu")))
    assert grid.values.dtype == torch.int16


@pytest.mark.parametrize("step", [0.0031, 0.00314, 0.0007])
def test_decimal_budgets_fit_sixteen_bits(step: float) -> None:
    """Their common divisor is a hundred thousandth of a level."""
    grid, rows = noise.grid(1, (1, 1, 2), 0.0314, step, noise.placed(torch.device("cpu"))), torch.tensor([0])
    held = torch.tensor([[[[0.0314, -step]]]])
    grid.store(rows, grid.encode(held))
    assert float((grid.delta(rows) - held).abs().max()) <= 0.005 / 255 + 1e-7
    assert grid.levels().flatten().tolist()[0] == 8


def test_the_largest_budget_fits_sixteen_bits() -> None:
    grid, rows = noise.grid(1, (1, 1, 1), 1.0, 0.0031, noise.placed(torch.device("cpu"))), torch.tensor([0])
    grid.store(rows, grid.encode(torch.tensor([[[[-1.0]]]])))
    assert grid.levels().item() == -255


def test_levels_are_whole_and_within_the_budget() -> None:
    grid = noise.grid(1, (1, 1, 3), 8.5 / 255, 0.5 / 255, noise.placed(torch.device("cpu")))
    grid.store(torch.tensor([0]), grid.encode(torch.tensor([[[[8.5, -8.5, 2.9]]]]) / 255))
    assert grid.levels().tolist() == [[[[8, -8, 3]]]]


def test_shared_rows_are_means_of_their_members() -> None:
    shared = noise.Shared(torch.zeros(3, 1, 1, 1), 8 / 255)
    shared.store(torch.tensor([2, 0, 2]), torch.tensor([2.0, 4.0, 6.0]).reshape(3, 1, 1, 1) / 255)
    assert torch.allclose(shared.values.flatten() * 255, torch.tensor([4.0, 0.0, 4.0]))


def test_untouched_shared_rows_stay() -> None:
    shared = noise.Shared(torch.full((2, 1, 1, 1), 3 / 255), 8 / 255)
    shared.store(torch.tensor([0]), torch.full((1, 1, 1, 1), -1 / 255))
    assert torch.allclose(shared.values.flatten() * 255, torch.tensor([-1.0, 3.0]))


@pytest.mark.parametrize("kind", ["grid", "shared"])
def test_a_row_of_minus_one_is_no_noise(kind: str) -> None:
    grid = noise.grid(1, (1, 1, 1), 8 / 255, 0.8 / 255, noise.placed(torch.device("cpu")))
    held: noise.Noise = grid if kind == "grid" else noise.Shared(torch.zeros(1, 1, 1, 1), 8 / 255)
    held.store(torch.tensor([0]), held.encode(torch.full((1, 1, 1, 1), 4 / 255)))
    assert torch.allclose(held.delta(torch.tensor([0, -1])).flatten() * 255, torch.tensor([4.0, 0.0]))


def test_random_start_depends_on_the_key_only() -> None:
    keys = torch.tensor([5, 9, 13])
    first, second = (noise.grid(3, (3, 8, 8), 8 / 255, 0.8 / 255, noise.placed(torch.device("cpu"))) for _ in "ab")
    noise.randomize(first, keys, 0, 8 / 255, batch=1)
    noise.randomize(second, keys.flip(0), 0, 8 / 255, batch=3)
    assert torch.equal(first.values, second.values.flip(0))
    assert int(first.values.abs().max()) == 40


def test_mapped_noise_is_the_same_and_its_file_has_no_name(tmp_path: Path) -> None:
    with placing.bounded(100, tmp_path):
        mapped = noise.grid(3, (3, 4, 4), 8 / 255, 0.8 / 255, noise.placed(torch.device("cpu")))
        noise.randomize(mapped, torch.arange(3), 0, 8 / 255)
        levels, fine = mapped.levels(), mapped.fine()
    memory = noise.grid(3, (3, 4, 4), 8 / 255, 0.8 / 255, noise.placed(torch.device("cpu")))
    noise.randomize(memory, torch.arange(3), 0, 8 / 255)
    assert torch.equal(mapped.values, memory.values)
    assert torch.equal(levels, memory.levels())
    assert torch.equal(fine, memory.fine())
    files = Path("/proc/self/maps").read_text() if Path("/proc/self/maps").exists() else str(tmp_path)
    assert str(tmp_path) in files
    assert not list(tmp_path.iterdir())
