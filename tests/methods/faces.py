"""Pictures with persons in them as far as a random network can tell, and what noise does to their features."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from methods.contract import problem
from numpy.typing import NDArray

from unlearn.crafting.problem import Problem
from unlearn.datasets import ImageDataset
from unlearn.perturbation import Additive

SIDE = 32


def people(persons: int = 3, photos: int = 8, seed: int = 0, side: int = SIDE) -> ImageDataset:
    """A smooth picture a person, under light and smaller patterns that change from photo to photo."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(persons), photos)
    faces = smooth(np.random.default_rng(99), persons, 5, side)
    light = smooth(generator, len(labels), 2, side) * 0.35
    details = smooth(generator, len(labels), 8, side) * 0.2
    images = 127 + 25 * faces[labels] + 40 * (light + details) + generator.normal(0, 1.5, (len(labels), 3, side, side))
    return ImageDataset(images.clip(0, 255).round().astype(np.uint8), labels, tuple(f"p{i}" for i in range(persons)))


def smooth(generator: np.random.Generator, count: int, cells: int, side: int) -> NDArray[np.float64]:
    """Random patterns (count, 3, side, side) of `cells` patches a side."""
    coarse = torch.from_numpy(generator.normal(0, 1, (count, 3, cells, cells)))
    return np.asarray(F.interpolate(coarse, (side, side), mode="bicubic", align_corners=False))


def settled(data: ImageDataset, rows: str, epsilon: float = 8 / 255) -> Problem:
    """A problem with the contract's embedders."""
    return problem(data, rows, epsilon)


@dataclass(frozen=True)
class Cosines:
    """Mean cosine with the clean features of the photos' persons, over embedders."""

    clean: float
    random: float
    cloaked: float


def cosines(setting: Problem, made: Additive) -> Cosines:
    """What is left of a person under the noise, beside random noise of the same budget and none."""
    images = setting.data.images
    limit = round(setting.epsilon * 255)
    noise = np.random.default_rng(5).integers(-limit, limit + 1, images.shape)
    noisy = (images + noise).clip(0, 255).astype(np.uint8)
    cloaked = made.apply_pixels(images, np.arange(len(images)))
    return Cosines(*(likeness(setting, pixels) for pixels in (images, noisy, cloaked)))


def likeness(setting: Problem, pixels: NDArray[np.uint8], clean: ImageDataset | None = None) -> float:
    """Mean cosine of these photos' features with the mean clean features of their persons."""
    known = clean or setting.data
    found = []
    for embed in setting.embedders:
        reference = embed(torch.from_numpy(known.images).float() / 255)
        centers = torch.stack([reference[known.labels == c].mean(0) for c in range(known.classes)])
        features = embed(torch.from_numpy(pixels).float() / 255)
        found.append(F.cosine_similarity(features, centers[setting.data.labels]).mean())
    return float(torch.stack(found).mean())


def under(made: Additive, data: ImageDataset) -> NDArray[np.uint8]:
    """Other photos of the same persons under the persons' noise."""
    noise = made.delta.numpy()[data.labels].astype(int)
    return np.asarray((data.images + noise).clip(0, 255).astype(np.uint8))
