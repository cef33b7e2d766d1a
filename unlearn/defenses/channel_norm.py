"""Every channel of every training and test image brought to the same mean and spread: a constant tint is gone.

Networks often start so (per-image standardization); trainers reach it by accident. What is left of a class-wise shift
or gain of a channel is only what clipping at black and white did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.defenses import Defense
from unlearn.quantities import LEVELS

if TYPE_CHECKING:
    from torch import Tensor

FLOOR = 1 / LEVELS  # of the spread, so that a flat channel stays flat


@dataclass(frozen=True)
class ChannelNorm(Defense):
    """mean, spread: what a channel has afterwards, in [0, 1] units; values beyond black and white are clipped."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    mean: Annotated[float, Field(ge=0, le=1)] = 0.5
    spread: Annotated[float, Field(gt=0, le=0.5)] = 0.22

    def purify(self, images: Tensor) -> Tensor:
        """Standardize by the channel's own mean and standard deviation."""
        from unlearn.defenses import _pixels  # torch stays out of recipe checks

        def standardize(part: Tensor) -> Tensor:
            centered = part - part.mean((2, 3), keepdim=True)
            spread = centered.square().mean((2, 3), keepdim=True).sqrt()
            return centered / spread.clamp(min=FLOOR) * self.spread + self.mean

        return _pixels.changed(images, standardize)
