"""How alike two images look, with gradients: SSIM and its multi-scale form.

Wang et al., IEEE TIP 2004, *Image quality assessment*; Wang et al., Asilomar 2003, *Multiscale structural similarity*.
Channels are compared by themselves and averaged; windows lie inside the image, as in TensorFlow's `tf.image.ssim`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearn.crafting.blurring import window

SIGMA, RADIUS = 1.5, 5
C1, C2 = 0.01**2, 0.03**2
# Of the five scales of the paper the first three, whose sum is made 1: canvases are small.
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001)


def dssim(images: Tensor, others: Tensor) -> Tensor:
    """Structural dissimilarity (1 - SSIM) / 2 of images (B, C, H, W) in [0, 1]; shape (B,), 0 for equal ones."""
    return (1 - ssim(images, others)) / 2


def ssim(images: Tensor, others: Tensor) -> Tensor:
    """SSIM of images (B, C, H, W) in [0, 1], at least 11 pixels on each side for whole windows; shape (B,)."""
    luminance, structure = _maps(images, others)
    return (luminance * structure).mean((1, 2, 3))


def multi_scale(images: Tensor, others: Tensor) -> Tensor:
    """MS-SSIM of images (B, C, H, W) in [0, 1], over as many of three scales as the images have; shape (B,)."""
    scales = [n for n in range(len(SCALE_WEIGHTS)) if min(images.shape[2:]) >> n > 2 * RADIUS] or [0]
    total = sum(SCALE_WEIGHTS[n] for n in scales)
    result = images.new_ones(len(images))
    for n in scales:
        luminance, structure = _maps(images, others)
        level = luminance * structure if n == scales[-1] else structure
        # Where structures oppose each other the mean is negative, and a power of it no number.
        result = result * level.mean((1, 2, 3)).clamp(min=1e-4) ** (SCALE_WEIGHTS[n] / total)
        if n != scales[-1]:
            images, others = F.avg_pool2d(images, 2), F.avg_pool2d(others, 2)
    return result


def _maps(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Luminance, and contrast times structure, around every pixel whose window lies inside."""
    tall, wide = (_whole_windows(size, x.device) for size in x.shape[2:])
    means = tall @ torch.stack([x, y, x * x, y * y, x * y]) @ wide.T
    a, b, aa, bb, ab = means.unbind()
    luminance = (2 * a * b + C1) / (a * a + b * b + C1)
    return luminance, (2 * (ab - a * b) + C2) / (aa - a * a + bb - b * b + C2)


def _whole_windows(size: int, device: torch.device) -> Tensor:
    """Rows of the window matrix that lie inside; all of them in images smaller than a window."""
    weights = window(size, SIGMA, RADIUS, device)
    return weights[RADIUS : size - RADIUS] if size > 2 * RADIUS else weights
