"""Fractal clouds: octaves of smooth noise, each finer and weaker than the one before."""

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearn.randomness import Draws


def clouds(shape: tuple[int, ...], draws: Draws, roughness: Tensor, stream: str) -> Tensor:
    """Shape (B, C, H, W) for shape (C, H, W); every channel reaches from 0 to 1.

    roughness: (B,), the ratio of an octave's weight to that of the one before: 0 is smooth, 1 is noise.
    Deviation from the diamond-square of Kornia: noise is drawn on grids of 2, 4, 8, ... cells and interpolated.
    """
    channels, *full = shape
    octaves = max(1, (max(full) - 1).bit_length())
    total = torch.zeros(len(roughness), *shape, device=roughness.device)
    for octave in range(1, octaves + 1):
        cells = [min(2**octave, length) for length in full]
        noise = draws.uniform(f"{stream}-{octave}", (channels, *cells))
        smooth = F.interpolate(noise, full, mode="bilinear", align_corners=True)
        total += smooth * roughness[:, None, None, None] ** (octave - 1)
    low, high = total.amin((2, 3), keepdim=True), total.amax((2, 3), keepdim=True)
    return (total - low) / (high - low).clamp(min=1e-6)
