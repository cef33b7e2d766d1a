"""Linearly separable perturbations (LSP). Yu et al., KDD 2022, section 4: synthetic clouds as blocks of color.

Deviations: images of any size, whose last blocks are cut off; the noise is rounded to whole levels within its norm and
clipped to the problem's epsilon, where the released code truncates and bounds no pixel; clouds are drawn by class,
so classes of unequal size need no surplus.
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
class LSP:
    """The released settings for CIFAR-10 by default.

    norm: L2 norm of the noise of an image of 32x32 pixels in three colors, values in [0, 1]: 6/255 a value. Others
        keep that size of a value. Single values are larger: at the published norm up to about 24/255.
    patch: side of a block in pixels; 32 for images of 224.
    separation: distance of the classes' centers from 0 along every axis, where points spread by sqrt(blocks / 3).
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    norm: Annotated[float, Field(gt=0)] = 1.304
    patch: Positive = 8
    separation: Annotated[float, Field(gt=0)] = 10.0

    def craft(self, problem: Problem) -> Additive:
        """A point of its class's cloud for every row, as blocks of color.

        Raises:
            DataError: more classes than blocks can tell apart, or noise on a coarse grid.
        """
        from unlearn.crafting import generated, separable  # torch stays out of recipe checks

        channels, height, width = problem.data.images.shape[1:]
        tall, wide = -(-height // self.patch), -(-width // self.patch)
        corners = separable.corners(problem.seed, generated.lessons(problem)[1], channels * tall * wide)

        def pattern(lesson: int, keys: Tensor) -> Tensor:
            points = separable.points(problem.seed, lesson, corners[lesson], self.separation, keys)
            blocks = points.reshape(len(keys), channels, tall, wide)
            for axis in (2, 3):
                blocks = blocks.repeat_interleave(self.patch, axis)
            return blocks[:, :, :height, :width]

        return generated.generate(problem, self.norm, pattern, "lsp")
