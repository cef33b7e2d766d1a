"""Features of faces under a problem's embedders, and gradients of what is asked of them, photo by photo."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearn import mixed_precision, training
from unlearn.crafting.problem import Problem
from unlearn.errors import DataError

# Canvases a CPU thread works on at once; part of the result, like batch sizes.
CPU_PIECE = 2
Objective = Callable[[Tensor, Tensor], Tensor]


def need_embedders(problem: Problem, method: str) -> None:
    """Refuse a problem that a method of this room cannot work on.

    Raises:
        DataError: no embedders, or images that are no canvases.
    """
    if not problem.embedders:
        raise DataError(
            f"{method} moves features of faces and needs embedders; in a recipe: embedders: [facenet, dlib]"
        )
    channels, height, width = problem.data.images.shape[1:]
    if (channels, height) != (3, width):
        raise DataError(
            f"{method} needs square RGB canvases of faces, these are {width}x{height} with {channels} channels"
        )


def features(problem: Problem, canvases: Tensor) -> list[Tensor]:
    """Unit features (B, D) of canvases (B, 3, S, S) in [0, 1], by embedder."""
    with mixed_precision.autocast(problem.workers.device, problem.precision):
        found = [embed(canvases) for embed in problem.embedders]
    return [each.float() for each in found]


def clean_features(problem: Problem, index: Tensor, mirrored: bool = False) -> list[Tensor]:
    """Unit features of samples at positions `index` (B,), by embedder; `mirrored` averages photo and mirror image."""

    def part(piece: Tensor) -> list[Tensor]:
        images = training.to_float(problem.batches.images[piece])
        with torch.no_grad():  # here, because gradient mode belongs to a thread
            return flip_averaged(problem, images) if mirrored else features(problem, images)

    parts = problem.workers.map(part, pieces(problem, index))
    return [torch.cat(each) for each in zip(*parts, strict=True)]


def all_clean_features(problem: Problem) -> list[Tensor]:
    """Mirrored clean features of every protected sample, (N, D) by embedder; zeros for the others."""
    index = torch.nonzero(problem.row_on_device >= 0)[:, 0]
    with problem.workers.pinned():
        found = clean_features(problem, index, mirrored=True)
    whole = [each.new_zeros(len(problem.data), each.shape[1]) for each in found]
    for into, each in zip(whole, found, strict=True):
        into[index] = each
    return whole


def flip_averaged(problem: Problem, canvases: Tensor) -> list[Tensor]:
    """Unit features of canvases and their mirror images, added and made units again."""
    pairs = zip(features(problem, canvases), features(problem, canvases.flip(3)), strict=True)
    return [F.normalize(one + other, dim=1) for one, other in pairs]


def descend(problem: Problem, variable: Tensor, objective: Objective) -> tuple[Tensor, Tensor]:
    """Values (B, M) of an objective and the gradient of its first column, each photo's by itself, over the threads.

    Args:
        variable: shape (B, ...), what is differentiated.
        objective: (places (b,), a part of the variable) -> values (b, M); places are those in the variable.
    """

    def part(piece: Tensor) -> tuple[Tensor, Tensor]:
        mine = variable[piece].detach().requires_grad_()
        values = objective(piece, mine)
        # A sum, so that a photo's gradient does not depend on the size of its piece.
        (gradient,) = torch.autograd.grad(values[:, 0].sum(), mine)
        return values.detach(), gradient

    parts = problem.workers.map(part, pieces(problem, torch.arange(len(variable), device=variable.device)))
    values, gradients = zip(*parts, strict=True)
    return torch.cat(values), torch.cat(gradients)


def pieces(problem: Problem, index: Tensor) -> list[Tensor]:
    """Parts of an index (B,) for the threads; a device takes all at once."""
    on_cpu = problem.workers.device.type == "cpu"
    return list(index.split(CPU_PIECE if on_cpu else len(index))) if len(index) else []
