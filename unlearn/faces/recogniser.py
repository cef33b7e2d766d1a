"""What a recogniser of faces is: a network, the crop that it wants, and where both come from."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearn.faces.face import Face
from unlearn.faces.geometry import Matrix, canvas_face, inverse
from unlearn.faces.warp import crop


@dataclass(frozen=True, eq=False)
class Recogniser:
    """An embedder with its own way of cutting a face out of a photo.

    network: crops (B, 3, side, side) in [0, 1], RGB, to features (B, D); normalizes its input by itself; frozen, eval.
    place: photo pixels to crop pixels for a face, as this recogniser's own pipeline cuts it.
    licence, trained_on: one line each, for the user. family: architecture, for honest held-out claims.
    threshold: cosine similarity above which two faces count as one person, at a false-accept rate of about 1e-3.
    """

    name: str
    network: nn.Module
    side: int
    place: Callable[[Face], Matrix]
    threshold: float
    licence: str
    trained_on: str
    family: str

    def embed(self, crops: Tensor) -> Tensor:
        """Unit-norm features (B, D) of crops (B, 3, side, side) in [0, 1]."""
        return F.normalize(self.network(crops), dim=1)

    def embed_canvas(self, canvases: Tensor) -> Tensor:
        """Unit-norm features (B, D) of canvases (B, 3, S, S) in [0, 1], differentiable."""
        back = torch.from_numpy(inverse(self.place(canvas_face(canvases.shape[-1]))))
        return self.embed(crop(canvases, back.expand(len(canvases), 2, 3), self.side))
