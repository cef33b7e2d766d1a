"""Saved pixels through a function of float images, block by block to bound memory."""

from collections.abc import Callable

import torch
from torch import Tensor

from unlearn import placing
from unlearn.defenses import Defense
from unlearn.quantities import LEVELS
from unlearn.streamed import Streamed

BLOCK = 512
WHOLE = 4096  # images that a device is handed at once


@torch.no_grad()
def changed(images: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """uint8 (N, C, H, W) through `change` of floats in [0, 1], clipped and rounded to whole levels."""
    out = placing.filled_later(images)
    for part in placing.blocks(images, BLOCK, values=4):
        out[part] = (change(images[part].float() / LEVELS).clamp(0.0, 1.0) * LEVELS).round().to(torch.uint8)
    return out


def purified(defense: Defense, images: Tensor | Streamed) -> Tensor | Streamed:
    """The images as a defense purifies them; those that stay on the host come to it in blocks and go back."""
    if isinstance(images, Tensor):
        return defense.purify(images)
    if type(defense).purify is Defense.purify:
        return images
    out = placing.tensor(images.shape, images.dtype)
    for part in placing.blocks(images, WHOLE):
        out[part] = defense.purify(images[part]).cpu()
    return Streamed(out, images.device)
