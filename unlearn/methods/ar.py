"""Autoregressive perturbations (AR). Sandoval-Segura et al., NeurIPS 2022, Algorithm 1: a texture process a class.

Deviations: processes are found anew for any number of classes, by their textures alone and from the seed, where the
released code has files of coefficients; images larger than `tile` are laid out in tiles with starts of their own; the
noise is rounded to whole levels within its norm and clipped to the problem's epsilon.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.quantities import Positive

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive


@dataclass(frozen=True)
class AR:
    """The paper's settings for CIFAR-10 by default.

    norm: L2 norm of the noise of an image of 32x32 pixels in three colors, values in [0, 1]: 4.6/255 a value. Others
        keep that size of a value, as the paper's 3.0 for 96x96 pixels does. Single values are larger.
    tile: pixels over which a process runs on.
    response: how much a class's filter must find in the noise of every other class, whose values have a mean square of
        1; in its own it finds 0.
    candidates: mixtures that are tried for the processes.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    norm: Annotated[float, Field(gt=0)] = 1.0
    tile: Annotated[int, Field(ge=8)] = 32
    response: Annotated[float, Field(ge=0)] = 0.3
    candidates: Positive = 1_000_000

    def craft(self, problem: Problem) -> Additive:
        """A texture of its class's process for every row.

        Raises:
            DataError: too few processes among the candidates, or noise on a coarse grid.
        """
        from unlearn.crafting import autoregressive, generated  # torch stays out of recipe checks

        channels, height, width = problem.data.images.shape[1:]
        count = generated.lessons(problem)[1]
        weights = autoregressive.processes(problem.seed, count, channels, self.tile, self.response, self.candidates)

        def pattern(lesson: int, keys: Tensor) -> Tensor:
            import torch

            made = autoregressive.textures(problem.seed, weights[lesson], keys, height, width, self.tile)
            return torch.from_numpy(made)

        return generated.generate(problem, self.norm, pattern, "ar")
