"""What pairs have in common: the main directions of their differences, and how much of each an image needs."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HIDDEN = 128


class Differences(nn.Module):
    """Images (B, C, H, W) to the change that each needs, in the span of `basis` (K, C * H * W).

    The amounts come from two layers that see the image and its fine grain along the same directions.
    """

    basis: Tensor
    mean: Tensor
    spread: Tensor

    def __init__(self, basis: Tensor, images: Tensor):
        super().__init__()
        self.register_buffer("basis", basis)
        seen = self._along(images)
        self.register_buffer("mean", seen.mean(0))
        self.register_buffer("spread", seen.std(0).clamp(min=1e-6))
        size = len(basis)
        self.amounts = nn.Sequential(nn.Linear(2 * size, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, size))

    def forward(self, images: Tensor) -> Tensor:
        amounts = self.amounts((self._along(images) - self.mean) / self.spread)
        return (amounts @ self.basis).reshape(images.shape)

    def _along(self, images: Tensor) -> Tensor:
        smooth = F.avg_pool2d(F.pad(images, (1,) * 4, mode="replicate"), 3, 1)
        return torch.cat([part.flatten(1) @ self.basis.T for part in (images, images - smooth)], 1)


def main_directions(differences: Tensor, count: int) -> Tensor:
    """At most `count` orthonormal rows (K, D) that hold the most of differences (P, D), about zero."""
    gram = differences.double() @ differences.double().T
    values, vectors = torch.linalg.eigh(gram)
    kept = values > values[-1].clamp(min=1e-12) * 1e-6
    chosen = vectors[:, kept][:, -count:]
    rows = chosen.T @ differences.double()
    return F.normalize(rows, dim=1).float()
