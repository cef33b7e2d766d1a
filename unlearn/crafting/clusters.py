"""Clusters without labels: k-means (Lloyd, IEEE Trans. IT 1982), begun as k-means++ (Arthur, Vassilvitskii, 2007)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearn import randomness

ROUNDS = 300


def k_means(points: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Each point's cluster (N,) and the centers (count, D), float64, of points (N, D).

    The result depends on the order of the points: hand them over in an order of your own.
    """
    points = points.double()
    centers = _first(points, count, seed)
    member = _nearest(points, centers)
    for _ in range(ROUNDS):
        centers = _means(points, member, centers)
        before, member = member, _nearest(points, centers)
        if torch.equal(before, member):
            break
    return member, centers


def _first(points: Tensor, count: int, seed: int) -> Tensor:
    """Points drawn one after the other, with chances as the squared distance to those that are there."""
    draws = randomness.uniform(seed, "centers", 0, torch.arange(count, device=points.device)).double()
    chosen = [int(draws[0] * len(points))]
    apart = ((points - points[chosen[0]]) ** 2).sum(1)
    for draw in draws[1:]:
        sums = apart.cumsum(0)
        chosen.append(min(int(torch.searchsorted(sums, draw * sums[-1], right=True)), len(points) - 1))
        apart = torch.minimum(apart, ((points - points[chosen[-1]]) ** 2).sum(1))
    return points[chosen]


def _nearest(points: Tensor, centers: Tensor) -> Tensor:
    return (centers.square().sum(1) - 2 * points @ centers.T).argmin(1)


def _means(points: Tensor, member: Tensor, centers: Tensor) -> Tensor:
    """Means of the members; an empty cluster keeps its center."""
    belongs = F.one_hot(member, len(centers)).to(points.dtype)
    sizes = belongs.sum(0)[:, None]
    return torch.where(sizes > 0, belongs.T @ points / sizes.clamp(min=1), centers)
