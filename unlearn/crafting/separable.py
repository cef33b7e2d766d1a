"""Points that a hyperplane separates: a cloud around a corner of a hypercube for every lesson.

The construction of Guyon's data for the NIPS 2003 feature selection challenge with every feature informative and one
cloud a class: normal numbers, mixed by a random matrix of their class, around the class's corner.
"""

import torch
from torch import Tensor

from unlearn import randomness
from unlearn.crafting.generated import normal
from unlearn.errors import DataError


def corners(seed: int, count: int, dimensions: int) -> Tensor:
    """Different corners of {-1, 1}^dimensions at random, float64 (count, dimensions).

    Raises:
        DataError: when there are not so many.
    """
    if dimensions < 63 and 2**dimensions < count:
        raise DataError(f"lsp: {dimensions} blocks make {2**dimensions} patterns for {count} classes; lower `patch`")
    drawn = 2 * count
    while True:
        draws = randomness.uniform(seed, "lsp-corners", 0, torch.arange(drawn), (dimensions,))
        found = list(dict.fromkeys(map(tuple, (draws < 0.5).tolist())))
        if len(found) >= count:
            return torch.tensor(found[:count], dtype=torch.float64) * 2 - 1
        drawn *= 2


def points(seed: int, lesson: int, corner: Tensor, separation: float, keys: Tensor) -> Tensor:
    """A point for every key, float64 (B, D), of the cloud around separation * corner (D,)."""
    size = len(corner)
    mixing = 2 * randomness.uniform(seed, "lsp-mixing", 0, torch.tensor([lesson]), (size, size))[0].double() - 1
    return normal(seed, "lsp", keys, (size,)) @ mixing + separation * corner
