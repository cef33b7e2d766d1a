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

        from unlearn import placing

        if images.shape[1] == 1:
            return images
        out = placing.filled_later(images)
        weights = torch.tensor(LUMA, device=images.device)
        for part in placing.blocks(images, values=4):
            luma = torch.einsum("bchw,c->bhw", images[part].float(), weights).round()
            out[part] = luma.to(torch.uint8)[:, None]
        return out
