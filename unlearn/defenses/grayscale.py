"""Grayscale training and test images. Liu et al., ICML 2023 (ISS)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ConfigDict

from unlearn.defenses import Defense

if TYPE_CHECKING:
    from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in Pillow and torchvision


@dataclass(frozen=True)
class Grayscale(Defense):
    """Luma in all three channels, so that the victims stay the same."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    def purify(self, images: Tensor) -> Tensor:
        """Replace colour by luma; gray images stay as they are."""
        import torch  # torch stays out of recipe checks

        if images.shape[1] == 1:
            return images
        out = torch.empty_like(images)
        weights = torch.tensor(LUMA, device=images.device)
        for part, into in zip(images.split(4096), out.split(4096), strict=True):
            luma = torch.einsum("bchw,c->bhw", part.float(), weights).round()
            into.copy_(luma.to(torch.uint8)[:, None].expand_as(part))
        return out
