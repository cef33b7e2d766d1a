"""Saved pixels through a function of float images, block by block to bound memory."""

from collections.abc import Callable

import torch
from torch import Tensor

from unlearn.quantities import LEVELS

BLOCK = 512


@torch.no_grad()
def changed(images: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """uint8 (N, C, H, W) through `change` of floats in [0, 1], clipped and rounded to whole levels."""
    out = torch.empty_like(images)
    for part, into in zip(images.split(BLOCK), out.split(BLOCK), strict=True):
        into.copy_((change(part.float() / LEVELS).clamp(0.0, 1.0) * LEVELS).round().to(torch.uint8))
    return out
