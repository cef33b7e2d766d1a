"""Images sampled at other places: crops that are enlarged, and affine maps."""

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearn.randomness import Draws


def affine(images: Tensor, matrix: Tensor) -> Tensor:
    """Bilinear samples of images (B, C, H, W) at the places that matrix (B, 2, 3) gives; black outside.

    Places are in units of half an image from its center, x before y.
    """
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def resized_crop(images: Tensor, draws: Draws, smallest: float, stream: str = "resized-crop") -> Tensor:
    """A box of at least `smallest` of the area with sides 3:4 to 4:3, enlarged to the whole image.

    Szegedy et al., CVPR 2015. A side that would be longer than the image is cut to it; torchvision draws anew.
    """
    area, ratio, *place = (draws.uniform(f"{stream}-{name}") for name in ("area", "ratio", "x", "y"))
    scale = (smallest + (1 - smallest) * area).sqrt()
    shape = (4 / 3) ** (ratio - 0.5)  # the square root of a ratio whose logarithm is uniform
    sides = torch.stack([scale * shape, scale / shape], 1).clamp(max=1.0)
    center = (1 - sides) * (2 * torch.stack(place, 1) - 1)
    return affine(images, torch.cat([torch.diag_embed(sides), center[:, :, None]], 2))
