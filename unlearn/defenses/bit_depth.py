"""Bit-depth reduction of training and test images. Xu et al., NDSS 2018 (feature squeezing): fewer levels a channel.

APBench posterizes to two bits, that is truncates, on training images alone, which darkens them; here levels are rounded
as in the paper, on training and test images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.defenses import Defense

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class BitDepth(Defense):
    """2 ** bits levels from black to white."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    bits: Annotated[int, Field(ge=1, le=7)] = 2

    @property
    def label(self) -> str:
        return f"bit_depth-{self.bits}"

    def purify(self, images: Tensor) -> Tensor:
        """Round every value to the nearest of the levels."""
        from unlearn.defenses import _pixels  # torch stays out of recipe checks

        steps = 2**self.bits - 1
        return _pixels.changed(images, lambda part: (part * steps).round() / steps)
