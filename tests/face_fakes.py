"""Drawn people, a detector that knows where their faces are, and recognisers that are random projections."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from unlearn.faces.face import Face
from unlearn.faces.geometry import canvas_points, to_template
from unlearn.faces.recogniser import Recogniser

SIDE = 96
HIDDEN = 8  # photos darker than this have no face
Pixels = NDArray[np.uint8]


class Center:
    """Finds one face in the middle of every photo that is not dark."""

    name = "center"

    def find(self, image: NDArray[np.uint8]) -> tuple[Face, ...]:
        height, width = image.shape[:2]
        if image.mean() < HIDDEN:
            return ()
        size = min(height, width)
        points = canvas_points(size) + np.array([(width - size) / 2, (height - size) / 2])
        low, high = size * 0.25, size * 0.75
        return (Face(points, (low, low, high, high)),)


class Projection(nn.Module):
    """A random projection of a small crop without its mean; `depth` further layers can be trained."""

    def __init__(self, side: int, seed: int, size: int = 48):
        super().__init__()
        self.first = nn.Linear(3 * side * side, size, bias=False)
        weights = torch.randn(size, 3 * side * side, generator=torch.Generator().manual_seed(seed))
        self.first.weight.data = weights / (3 * side * side) ** 0.5

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        flat = crops.flatten(1)
        return torch.as_tensor(self.first(flat - flat.mean(1, keepdim=True)))


def recogniser(name: str = "toy", seed: int = 0, side: int = 16) -> Recogniser:
    """A fake of the given weights."""
    network = Projection(side, seed).requires_grad_(False).eval()
    return Recogniser(name, network, side, lambda face: to_template(face, side), 0.5, "none", f"seed {seed}", "toy")


def portrait(person: int, photo: int, size: int = SIDE) -> Pixels:
    """uint8 (size, size, 3): a pattern by which a person is known, and grain that differs from photo to photo."""
    pattern = np.random.default_rng((person, 1)).integers(50, 206, (8, 8, 3), dtype=np.uint8)
    large = np.asarray(Image.fromarray(pattern).resize((size, size), Image.Resampling.BICUBIC), dtype=np.float64)
    grain = np.random.default_rng((person, photo, 2)).normal(0, 25, (size, size, 3))
    return np.asarray((large + grain).clip(30, 255), dtype=np.uint8)


def disguised(person: int, photo: int) -> Pixels:
    """The photo of a person, protected beyond any budget: what a matcher sees is somebody else."""
    other = portrait(1000 + person, photo).astype(np.float64)
    return np.asarray(0.1 * portrait(person, photo) + 0.9 * other, dtype=np.uint8)


def saved(folder: Path, names: Sequence[str], pictures: Sequence[Pixels]) -> list[Path]:
    """Photos written as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in names]
    for path, pixels in zip(paths, pictures, strict=True):
        Image.fromarray(pixels).save(path)
    return paths
