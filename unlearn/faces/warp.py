"""Differentiable crops: from photo or canvas to an aligned crop."""

import torch
import torch.nn.functional as F
from torch import Tensor


def crop(images: Tensor, back: Tensor, side: int) -> Tensor:
    """Aligned crops (B, C, side, side) of images (B, C, H, W), bilinear, zero outside.

    Args:
        back: shape (B, 2, 3), maps crop pixels to image pixels; pixel centers lie at whole numbers.

    Where the crop is smaller than what it shows, images are reduced first, so that nothing aliases.
    """
    theta = _normalized(back.to(images.device, torch.float32), images.shape[2:], side)
    scale = float(back[:, :, :2].double().norm(dim=1).mean())
    if scale > 1.0:
        smaller = [max(1, round(size / scale)) for size in images.shape[2:]]
        images = F.interpolate(images, smaller, mode="bilinear", antialias=True)
    grid = F.affine_grid(theta, [len(images), images.shape[1], side, side], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _normalized(back: Tensor, size: torch.Size, side: int) -> Tensor:
    """The same map between coordinates in [-1, 1], for an image of `size` (H, W)."""
    whole = torch.tensor((size[1], size[0]), dtype=torch.float32, device=back.device)
    linear, shift = back[:, :, :2], back[:, :, 2]
    half = side / 2
    # A crop's pixel is half * t + half - 0.5; an image's coordinate is 2 (p + 0.5) / size - 1.
    center = (linear * (half - 0.5)).sum(2) + shift + 0.5
    return torch.cat([linear * half * 2 / whole[:, None], (2 * center / whole - 1)[:, :, None]], dim=2)
