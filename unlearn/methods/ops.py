"""One-pixel shortcut (OPS). Wu et al., ICLR 2023, Algorithm 1: the same pixel of a class, always in the same color.

Deviations: any number of classes, images of any shape; no two classes share pixel and color, which would teach nothing;
pixels that hardly vary count as varying by one level, where the released code divides by zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ConfigDict

from unlearn.quantities import Positive

if TYPE_CHECKING:
    from unlearn.crafting.problem import Problem
    from unlearn.kinds.replacing import Replacing


@dataclass(frozen=True)
class OPS:
    """One pixel a class, as in the paper. The problem's epsilon of 1 lets it take its color wholly.

    pixels: how many pixels of an image are replaced.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    pixels: Positive = 1

    def craft(self, problem: Problem) -> Replacing:
        """The pixels and colors of every row that samples share.

        Raises:
            DataError: rows of single samples, noise on a coarse grid, or more pixels than an image has.
        """
        import numpy as np
        import torch

        from unlearn.crafting import cloaking, shortcuts  # torch stays out of recipe checks
        from unlearn.errors import DataError
        from unlearn.kinds.replacing import Replacing

        cloaking.need_every_pixel(problem, "ops")
        images, rows = problem.data.images, range(problem.rows)
        if not problem.shared:
            raise DataError("ops: a pixel stands for a class; in a recipe: rows: class-wise")
        if self.pixels > images.shape[2] * images.shape[3]:
            raise DataError(f"ops: {self.pixels} pixels of images that have {images.shape[2] * images.shape[3]}")
        taken: set[tuple[int, int]] = set()
        chosen: list[list[tuple[int, int]]] = []
        for row in rows:
            members = images[problem.row == row]
            found = shortcuts.scores(members if len(members) else images[:1])
            chosen.append(shortcuts.pick(found, self.pixels, taken))
            taken |= set(chosen[-1])
        picked = np.array(chosen)
        color = torch.from_numpy(shortcuts.corners(images.shape[1])[picked[..., 0]])
        place = torch.from_numpy(picked[..., 1].astype(np.int32))
        return Replacing(place, color, torch.from_numpy(problem.row), problem.epsilon)
