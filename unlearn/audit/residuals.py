"""What noise leaves behind: statistics of an image's residuals, and a linear model on them.

In the spirit of the residuals of steganalysis (Fridrich and Kodovsky, IEEE TIFS 2012), far fewer and simpler: means of
five high-pass filters within three bounds, their energy, largest value and share of zeros, once as the mean over the
color channels and once for the differences between channels, where photos have little and noise has much.
"""

from collections.abc import Callable
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearn.streamed import Streamed

BOUNDS = (2.0, 8.0, 32.0)  # levels of 255
BLOCK = 500
VALUES = 3_200_000  # of images that are described together
RIDGE = 1.0
STEPS = 200


def statistics(pixels: Tensor | Streamed) -> Tensor:
    """float64 (N, D) on the CPU, for uint8 images (N, C, H, W)."""
    size = max(1, min(BLOCK, VALUES // prod(pixels.shape[1:])))
    return torch.cat([_block(part.float()).cpu() for part in pixels.split(size)]).double()


def _block(images: Tensor) -> Tensor:
    found = [_described(residual).mean(dim=1) for residual in _filtered(images)]
    if images.shape[1] > 1:
        found += [_described(residual).mean(dim=1) for residual in _filtered(images[:, 1:] - images[:, :-1])]
    ends = [(images == end).float().mean(dim=(1, 2, 3))[:, None] for end in (0, 255)]
    return torch.cat([*found, *ends], dim=1)


def _filtered(images: Tensor) -> list[Tensor]:
    across, down = images[..., 1:] - images[..., :-1], images[..., 1:, :] - images[..., :-1, :]
    bends = [across[..., 1:] - across[..., :-1], down[..., 1:, :] - down[..., :-1, :]]
    return [across, down, across[..., 1:, :] - across[..., :-1, :], *bends]


def _described(residual: Tensor) -> Tensor:
    """(N, C, 6) of residuals (N, C, H, W)."""
    sizes = residual.abs().flatten(2)
    bounded = [sizes.clamp(max=bound).mean(dim=2) for bound in BOUNDS]
    energy, largest = (sizes**2).mean(dim=2).log1p(), sizes.amax(dim=2).log1p()
    return torch.stack([*bounded, energy, largest, (sizes == 0).float().mean(dim=2)], dim=2)


def fitted(features: Tensor, labels: Tensor) -> Callable[[Tensor], Tensor]:
    """Logistic regression with a small ridge, by L-BFGS: scores (M,) of features (M, D), above 0 for label 1.

    Args:
        features: float64 (N, D). labels: 0 or 1, shape (N,).
    """
    mean, spread = features.mean(dim=0), features.std(dim=0).clamp(min=1e-9)

    def standard(rows: Tensor) -> Tensor:
        return torch.cat([(rows - mean) / spread, torch.ones_like(rows[:, :1])], dim=1)

    weights = _minimized(standard(features), labels.double())
    return lambda rows: standard(rows) @ weights


def _minimized(rows: Tensor, labels: Tensor) -> Tensor:
    weights = rows.new_zeros(rows.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.binary_cross_entropy_with_logits(rows @ weights, labels, reduction="sum")
        value = (value + RIDGE / 2 * (weights**2).sum()) / len(rows)
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach()
