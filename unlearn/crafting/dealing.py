"""Who gets which row of shared noise: the classes' rows dealt anew, each to those that resemble it least.

Error-minimizing noise of a class points to where a network finds the class already. A victim that reads nothing but the
noise therefore recognizes clean images better than by chance: the noise teaches some of what it is to hide. Any other
class's row is as easy to learn, and points elsewhere.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from unlearn import placing
from unlearn.crafting.problem import Problem
from unlearn.images import Pixels
from unlearn.perturbation import Additive
from unlearn.stretched import Stretched


def apart(problem: Problem, noise: Additive | Stretched) -> Additive | Stretched:
    """The same rows of noise, each given to the samples whose clean images resemble it least, over all of them.

    Rows are compared with images by their inner product, on the noise's own grid and in its own channels. The same in
    every process, since nothing is drawn.
    """
    rows = np.unique(problem.row[problem.row >= 0])  # where some classes only have noise, other rows are nobody's
    alike = likeness(problem.data.images, noise.delta[torch.from_numpy(rows)])
    cost = np.stack([alike[problem.row == row].mean(axis=0) for row in rows])
    own, dealt = linear_sum_assignment(cost)
    problem.progress.log("dealt", likeness=float(cost[own, dealt].mean()), before=float(cost.diagonal().mean()))
    delta = noise.delta.clone()
    delta[torch.from_numpy(rows)] = noise.delta[torch.from_numpy(rows[dealt])]
    return type(noise)(delta, noise.row, noise.epsilon)


def likeness(images: Pixels, delta: Tensor) -> NDArray[np.float64]:
    """How much every image (N) is like every row of noise (R): products (N, R), standardized over an image's rows."""
    centered = (delta.double() - delta.double().mean(0)).flatten(1)
    rows = centered / centered.norm(dim=1, keepdim=True).clamp(min=1e-12)
    small = (_reduced(images[part], delta) for part in placing.blocks(images, values=8))
    products = torch.cat([views @ rows.T for views in small]).numpy()
    products -= products.mean(axis=0)
    products -= products.mean(axis=1, keepdims=True)
    return np.asarray(products / np.maximum(products.std(axis=1, keepdims=True), 1e-12))


def _reduced(images: Pixels, delta: Tensor) -> Tensor:
    """Images (B, C, H, W) at the size and in as many channels as the rows of delta (R, C', S, S): (B, C' * S * S)."""
    height, width = delta.shape[2:]
    views = F.adaptive_avg_pool2d(torch.from_numpy(np.array(images)).double(), (height, width))
    return (views.mean(1, keepdim=True) if delta.shape[1] == 1 else views).flatten(1)
