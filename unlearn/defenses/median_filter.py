"""Median filter on training and test images: removes single pixels, such as those of one-pixel shortcuts (OPS)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, ConfigDict, Field

from unlearn.defenses import Defense

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 256  # a block is copied size * size times


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError(f"should be odd, so that a window has a center, got {size}")
    return size


@dataclass(frozen=True)
class MedianFilter(Defense):
    """The median of a window of `size` pixels a side, for each channel; border pixels repeat."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    size: Annotated[int, Field(ge=3, le=15), AfterValidator(_odd)] = 3

    @property
    def label(self) -> str:
        return f"median_filter-{self.size}"

    def purify(self, images: Tensor) -> Tensor:
        """Replace every value by the median around it."""
        import torch
        import torch.nn.functional as F  # torch stays out of recipe checks

        from unlearn import placing

        side = self.size // 2
        out = placing.filled_later(images)
        for part in placing.blocks(images, BLOCK, values=self.size**2):
            padded = F.pad(images[part].float(), (side,) * 4, mode="replicate").to(torch.uint8)
            windows = padded.unfold(2, self.size, 1).unfold(3, self.size, 1).flatten(4)
            out[part] = windows.median(4).values
        return out
