"""JPEG compression with gradients: the real quantization, whose rounding passes gradients straight through.

Baseline JPEG with the tables of the standard's annex K, scaled by quality as libjpeg does, and 4:2:0 chroma.
Straight-through rounding: Bengio et al., 2013; for JPEG: Shin and Song, 2017.
"""

from functools import cache
from math import cos, pi, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

LUMA = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56),
    *(14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMA = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99),
    *(47, 66, 99, 99, 99, 99, 99, 99, *(99,) * 32),
)
TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def jpeg(images: Tensor, quality: Tensor) -> Tensor:
    """Images (B, 3 or 1, H, W) in [0, 1] through a JPEG file of quality (B,) 1..100 and back."""
    height, width = images.shape[2:]
    padded = F.pad(images, (0, -width % 16, 0, -height % 16), mode="replicate") * 255
    if images.shape[1] == 1:
        return (_coded(padded - 128, _table(LUMA, quality)) + 128)[..., :height, :width].clamp(0, 255) / 255
    ycc = torch.einsum("rc,bchw->brhw", padded.new_tensor(TO_YCC), padded)
    luma = _coded(ycc[:, :1] - 128, _table(LUMA, quality))
    chroma = _coded(F.avg_pool2d(ycc[:, 1:], 2), _table(CHROMA, quality))
    smooth = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    rgb = torch.einsum("rc,bchw->brhw", padded.new_tensor(TO_RGB), torch.cat([luma + 128, smooth], 1))
    return rgb[..., :height, :width].clamp(0, 255) / 255


def _table(base: tuple[int, ...], quality: Tensor) -> Tensor:
    """Quantization tables, shape (B, 1, 1, 1, 8, 8)."""
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    table = torch.tensor(base, device=quality.device, dtype=torch.float32)
    scaled = ((table * scale[:, None] + 50) / 100).floor().clamp(1, 255)
    return scaled.reshape(-1, 1, 1, 1, 8, 8)


def _coded(planes: Tensor, table: Tensor) -> Tensor:
    """Planes (B, P, H, W) through block transform, rounding and back."""
    batch, count, height, width = planes.shape
    transform = _dct().to(planes.device)
    blocks = planes.reshape(batch, count, height // 8, 8, width // 8, 8).transpose(3, 4)
    coefficients = transform @ blocks @ transform.T / table
    rounded = coefficients + (coefficients.round() - coefficients).detach()
    back = transform.T @ (rounded * table) @ transform
    return back.transpose(3, 4).reshape(batch, count, height, width)


@cache
def _dct() -> Tensor:
    """The orthonormal 8x8 cosine transform."""
    rows = [[(sqrt(0.125) if k == 0 else 0.5) * cos((2 * n + 1) * k * pi / 16) for n in range(8)] for k in range(8)]
    return torch.tensor(rows, dtype=torch.float32)
