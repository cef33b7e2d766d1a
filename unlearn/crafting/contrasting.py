"""What transferable noise is to lower: a contrastive loss of two views, and how little classes of noise differ.

Both compare the samples of a batch with each other, so that noise depends on which samples are moved together.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearn.crafting import channel
from unlearn.crafting.views import Views
from unlearn.randomness import Draws


def nt_xent(outputs: Tensor, temperature: float) -> Tensor:
    """Mean cross-entropy of finding an image's other view among all. Chen et al., ICML 2020, equation 1.

    Args:
        outputs: shape (2B, D), one view of each image and then the other view of each.
    """
    units = F.normalize(outputs.float(), dim=1)
    alike = (units @ units.T / temperature).float()
    alike = alike.masked_fill(torch.eye(len(units), dtype=torch.bool, device=units.device), float("-inf"))
    partner = torch.arange(len(units), device=units.device).roll(len(units) // 2)
    return F.cross_entropy(alike, partner)


def two_views(network: nn.Module, views: Views, images: Tensor, draws: Draws) -> Tensor:
    """Outputs (2B, D) of the network for two random views of each image (B, C, H, W)."""
    # Two numbers for every step, those of the noise's steps staying below zero.
    sides = (replace(draws, epoch=2 * draws.epoch + side) for side in (0, 1))
    outputs: Tensor = network(torch.cat([channel.look(views, images, side) for side in sides]))
    return outputs


def separability(noise: Tensor, labels: Tensor) -> Tensor:
    """The class-wise separability discriminant: spread within two classes over the distance of their means.

    Ren et al., ICLR 2023, equation 4: the mean over all pairs of classes, as in the index of Davies and Bouldin (1979).
    The gradient passes through spread and distance alike; classes without samples do not count.

    Args:
        noise: shape (B, ...); labels: shape (B,).
    """
    points = noise.float().flatten(1)
    belongs = F.one_hot(labels.unique(return_inverse=True)[1]).T.float()
    belongs = belongs / belongs.sum(1, keepdim=True)
    if len(belongs) < 2:
        return points.sum() * 0
    with torch.autocast(noise.device.type, enabled=False):
        centers = belongs @ points
        spread = belongs @ _length(points - centers[belongs.argmax(0)])
    first, second = torch.triu_indices(len(belongs), len(belongs), 1, device=noise.device)
    return ((spread[first] + spread[second]) / _length(centers[first] - centers[second])).mean()


def _length(vectors: Tensor) -> Tensor:
    """Euclidean lengths (B,), with a gradient of zero at zero."""
    return (vectors.square().sum(1) + 1e-12).sqrt()
