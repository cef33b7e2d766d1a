"""Convolution-based unlearnability (CUDA). Sadasivan et al., CVPR 2023, Algorithm 1: a secret blur a class.

Deviations: edges are repeated, where the released code frames every image with black; arithmetic in whole numbers,
rounded instead of truncated; `exposure: kernel` as a way to keep the images' brightness.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

if TYPE_CHECKING:
    from unlearn.crafting.problem import Problem
    from unlearn.kinds.filtering import Filtering


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError(f"should be odd, got {size}")
    return size


@dataclass(frozen=True)
class CUDA:
    """The paper's settings for CIFAR-10 by default. A blur has no norm: the problem's epsilon of 1 leaves it whole.

    size: side of a kernel in pixels.
    blur: weights are drawn from 0 to this, besides one of 1 at a random place.
    exposure: divide by each image's largest value, as published, or by the sum of the kernel.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    size: Annotated[int, Field(ge=3, le=15), AfterValidator(_odd)] = 3
    blur: Annotated[float, Field(gt=0, le=1)] = 0.3
    exposure: Literal["image", "kernel"] = "image"

    def craft(self, problem: Problem) -> Filtering:
        """A kernel for every row that samples share, from the problem's seed, which is the secret.

        Raises:
            DataError: rows of single samples, or noise on a coarse grid.
        """
        import torch

        from unlearn import randomness
        from unlearn.crafting import cloaking  # torch stays out of recipe checks
        from unlearn.errors import DataError
        from unlearn.kinds.filtering import UNIT, Filtering

        cloaking.need_every_pixel(problem, "cuda")
        if not problem.shared:
            raise DataError("cuda: a kernel stands for a class; in a recipe: rows: class-wise")
        keys, weights = torch.arange(problem.rows), self.size**2
        kernel = randomness.uniform(problem.seed, "cuda", 0, keys, (weights,)).double() * self.blur
        place = randomness.integers(problem.seed, "cuda-place", 0, keys, weights)
        kernel[keys, place] = 1.0
        if self.exposure == "kernel":
            kernel /= kernel.sum(1, keepdim=True)
        whole = (kernel * UNIT).round().to(torch.int16).reshape(-1, self.size, self.size)
        return Filtering(whole, torch.from_numpy(problem.row), problem.epsilon, self.exposure == "image")
