"""The noise while it is crafted: rows of one sample each, or rows that several samples share.

Private rows live as whole numbers on a grid that contains every value the loop can reach: pixels are whole
levels, so with steps of 0.8/255 all values are multiples of 0.2/255 and fit int8. This also hides differences
in the last bit between machines. Shared rows are means over their members, which leave any grid: float32.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Protocol

import torch
from torch import Tensor

from unlearn import placing, randomness
from unlearn.quantities import FINE, LEVELS, whole_levels

MOST = torch.iinfo(torch.int16).max
DRAWN = 4_000_000  # numbers that are drawn together
Storage = Callable[[tuple[int, ...], torch.dtype], Tensor]


class Given(Protocol):
    """Noise as the surrogate's half of a loop asks for it."""

    def delta(self, rows: Tensor) -> Tensor:
        """Noise in [0, 1] units, float32 (B, C, H, W), for rows (B,); zero where a row is -1."""
        ...


class Noise(Given, Protocol):
    """What the loop asks of the noise; its values have shape (R, C, H, W)."""

    @property
    def values(self) -> Tensor:
        """The rows as they are stored."""
        ...

    def encode(self, delta: Tensor) -> Tensor:
        """Noise as it is stored and sent between processes."""
        ...

    def store(self, rows: Tensor, encoded: Tensor) -> None:
        """Replace rows by the encoded noise of their members; rows (B,), encoded (B, C, H, W)."""
        ...

    def levels(self) -> Tensor:
        """The noise in whole levels, int8 where that holds the budget, else int16; (R, C, H, W)."""
        ...

    def fine(self) -> Tensor:
        """The noise in steps of 1/FINE of a level, int16; (R, C, H, W)."""
        ...


@dataclass(frozen=True)
class Grid:
    """One row a sample, in multiples of `unit` levels."""

    values: Tensor
    unit: float
    epsilon: float

    def delta(self, rows: Tensor) -> Tensor:
        chosen = self.values[rows.clamp(min=0).to(self.values.device)].to(rows.device)
        return chosen.float() * ((rows >= 0)[:, None, None, None] * (self.unit / LEVELS))

    def encode(self, delta: Tensor) -> Tensor:
        return (delta * (LEVELS / self.unit)).round().to(self.values.dtype)

    def store(self, rows: Tensor, encoded: Tensor) -> None:
        self.values[rows.to(self.values.device)] = encoded.to(self.values.device)

    def levels(self) -> Tensor:
        return _whole(self.values, self.unit, self.epsilon)

    def fine(self) -> Tensor:
        return _fine(self.values, self.unit, self.epsilon)


@dataclass(frozen=True)
class Shared:
    """Rows with several members: the mean of what the members ask for, summed in a fixed order."""

    values: Tensor
    epsilon: float

    def delta(self, rows: Tensor) -> Tensor:
        return self.values[rows.clamp(min=0)] * (rows >= 0)[:, None, None, None]

    def encode(self, delta: Tensor) -> Tensor:
        return delta

    def store(self, rows: Tensor, encoded: Tensor) -> None:
        touched, member = rows.unique(return_inverse=True)
        # One-hot product in float64: the same order of summation for every split of the work.
        belongs = torch.zeros(len(touched), len(rows), dtype=torch.float64, device=rows.device)
        belongs[member, torch.arange(len(rows), device=rows.device)] = 1.0
        sums = belongs @ encoded.double().flatten(1)
        means = (sums / belongs.sum(1, keepdim=True)).float().reshape(-1, *encoded.shape[1:])
        self.values[touched] = means.clamp(-self.epsilon, self.epsilon)

    def levels(self) -> Tensor:
        return _whole(self.values, float(LEVELS), self.epsilon)

    def fine(self) -> Tensor:
        return _fine(self.values, float(LEVELS), self.epsilon)


def _fine(values: Tensor, unit: float, epsilon: float) -> Tensor:
    """Round to fine steps, block by block to bound memory."""
    limit = math.floor(epsilon * LEVELS * FINE + 1e-6)
    out = placing.tensor(values.shape, torch.int16)
    for part in placing.blocks(out, values=4):
        out[part] = (values[part].double().cpu() * (unit * FINE)).round().clamp(-limit, limit)
    return out


def _whole(values: Tensor, unit: float, epsilon: float) -> Tensor:
    """Round to whole levels, block by block to bound memory."""
    limit = whole_levels(epsilon)
    out = placing.tensor(values.shape, torch.int8 if limit <= 127 else torch.int16)
    for part in placing.blocks(out, values=4):
        out[part] = (values[part].float() * unit).round().clamp(-limit, limit).cpu()
    return out


def unit_of(epsilon: float, step_size: float) -> Fraction:
    """The grid's unit in levels: the greatest common divisor of a level, the budget and the step."""
    parts = [Fraction(value * LEVELS).limit_denominator(1000) for value in (epsilon, step_size)]
    denominator = math.lcm(*(part.denominator for part in parts))
    numerator = math.gcd(denominator, *(int(part * denominator) for part in parts))
    return Fraction(numerator, denominator)


def grid(rows: int, shape: tuple[int, ...], epsilon: float, step_size: float, storage: Storage) -> Grid:
    """Zero noise on the grid, int8 where that holds it, else int16.

    Decimal budgets and steps have a common divisor so small that int16 would not hold the budget: hundredths of a level
    hold any, and steps are rounded to them.
    """
    unit = unit_of(epsilon, step_size)
    if epsilon * LEVELS / unit > MOST:
        unit = Fraction(1, 100)
    largest = epsilon * LEVELS / unit
    return Grid(storage((rows, *shape), torch.int8 if largest <= 127 else torch.int16), float(unit), epsilon)


def randomize(noise: Noise, keys: Tensor, seed: int, epsilon: float, batch: int | None = None) -> None:
    """Set every row to uniform noise in [-epsilon, epsilon], drawn by its key; keys (R,)."""
    shape = tuple(noise.values.shape[1:])
    for rows in torch.arange(len(keys), device=keys.device).split(batch or max(1, DRAWN // prod(shape))):
        draws = randomness.uniform(seed, "random-start", 0, keys[rows], shape)
        noise.store(rows, noise.encode((2 * draws - 1) * epsilon))


def placed(device: torch.device) -> Storage:
    """Zeros on the device, or in a mapped file without a name where they exceed the bound of placing.py."""

    def allocate(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        if placing.bound().exceeded(prod(shape) * dtype.itemsize):
            return placing.tensor(shape, dtype)
        return torch.zeros(shape, dtype=dtype, device=device)

    return allocate
