"""Changes of color with a strength for each sample, with gradients: images (B, C, H, W) in [0, 1], strengths (B,)."""

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)


def luma(images: Tensor) -> Tensor:
    """Shape (B, 1, H, W); the mean of the channels where there are not three."""
    if images.shape[1] != len(LUMA):
        return images.mean(1, keepdim=True)
    return torch.einsum("bchw,c->bhw", images, images.new_tensor(LUMA))[:, None]


def blend(images: Tensor, others: Tensor, factor: Tensor) -> Tensor:
    """Away from the others by a factor: 0 gives them, 1 the images; clipped to [0, 1]."""
    return (others + factor[:, None, None, None] * (images - others)).clamp(0.0, 1.0)


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Multiplied by a factor."""
    return blend(images, torch.zeros_like(images), factor)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Away from the image's mean luma."""
    return blend(images, luma(images).mean((2, 3), keepdim=True), factor)


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Away from gray."""
    return blend(images, luma(images), factor)


def hue(images: Tensor, turn: Tensor) -> Tensor:
    """Color turned around the gray axis by so many turns; images of other than three channels stay."""
    if images.shape[1] != len(LUMA):
        return images
    angle = 2 * torch.pi * turn
    cos, sin = angle.cos()[:, None, None], (angle.sin() / 3**0.5)[:, None, None]
    around = images.new_tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    matrix = cos * torch.eye(3, device=images.device) + (1 - cos) / 3 + sin * around
    return torch.einsum("bdc,bchw->bdhw", matrix, images).clamp(0.0, 1.0)
