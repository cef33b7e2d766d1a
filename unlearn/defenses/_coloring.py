"""Changes of tone beside those of crafting/coloring.py: images (B, C, H, W) in [0, 1], strengths (B,)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearn.crafting.coloring import blend
from unlearn.quantities import LEVELS


def spread(values: Tensor) -> Tensor:
    """(B,) as (B, 1, 1, 1)."""
    return values[:, None, None, None]


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """Away from a smoothed image; the window weighs the center with 5/13 as Pillow's does."""
    kernel = torch.ones(3, 3, device=images.device)
    kernel[1, 1] = 5
    channels = images.shape[1]
    weights = (kernel / kernel.sum()).expand(channels, 1, 3, 3)
    smooth = F.conv2d(F.pad(images, (1,) * 4, mode="replicate"), weights, groups=channels)
    return blend(images, smooth, factor)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Only the highest bits (B,) of every value are kept."""
    step = spread(2 ** (8 - bits))
    return ((images * LEVELS).round() / step).floor() * step / LEVELS


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Values at or above the threshold are inverted."""
    return torch.where(images >= spread(threshold), 1 - images, images)


def autocontrast(images: Tensor) -> Tensor:
    """Every channel stretched to [0, 1]; flat ones stay as they are."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    stretched = (images - low) / (high - low).clamp(min=1e-6)
    return torch.where(high > low, stretched, images)


def equalize(images: Tensor) -> Tensor:
    """Every value replaced by the share of its channel's pixels that are not brighter."""
    levels = (images * LEVELS).round().long().flatten(2)
    histogram = torch.zeros(*levels.shape[:2], LEVELS + 1, device=images.device)
    histogram.scatter_add_(2, levels, torch.ones_like(levels, dtype=histogram.dtype))
    below = histogram.cumsum(2) / levels.shape[2]
    return below.gather(2, levels).reshape(images.shape)
