"""Gaussian blur with gradients, as two products with a banded matrix."""

import torch
from torch import Tensor


def blurred(images: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Images (B, C, H, W) blurred by sigma (B,) pixels each; 0 leaves an image as it is.

    radius: pixels on each side that the window reaches; at the border it is cut and renormalized.
    """
    tall, wide = (_bands(size, sigma, radius)[:, None] for size in images.shape[2:])
    return tall @ images @ wide.transpose(2, 3)


def window(size: int, sigma: float, radius: int, device: torch.device) -> Tensor:
    """The weights of a window around every one of `size` pixels, shape (size, size); rows sum to 1."""
    return _bands(size, torch.tensor([sigma], device=device), radius)[0]


def _bands(size: int, sigma: Tensor, radius: int) -> Tensor:
    place = torch.arange(size, device=sigma.device)
    apart = (place[:, None] - place[None]).float()
    # The bound keeps a sigma of 0 from dividing by zero: only the pixel itself is left then.
    weights = torch.exp(-0.5 * (apart[None] / sigma.clamp(min=1e-3)[:, None, None]) ** 2) * (apart.abs() <= radius)
    return weights / weights.sum(2, keepdim=True)
