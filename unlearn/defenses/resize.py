"""Training and test images made smaller and enlarged again, as a platform's thumbnail and a trainer's input size do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, ConfigDict, Field

from unlearn.defenses import Defense
from unlearn.quantities import parse

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Resize(Defense):
    """Down to `factor` of the size with an antialiased bilinear filter, and up with a bicubic one."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    factor: Annotated[float, BeforeValidator(parse), Field(gt=0, lt=1)] = 0.5

    @property
    def label(self) -> str:
        return f"resize-{self.factor:g}"

    def purify(self, images: Tensor) -> Tensor:
        """Down and up."""
        import torch.nn.functional as F  # torch stays out of recipe checks

        from unlearn.defenses import _pixels

        full = tuple(images.shape[2:])
        small = [max(1, round(length * self.factor)) for length in full]

        def through(part: Tensor) -> Tensor:
            reduced = F.interpolate(part, small, mode="bilinear", antialias=True)
            return F.interpolate(reduced, full, mode="bicubic")

        return _pixels.changed(images, through)
