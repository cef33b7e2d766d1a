"""What a small network learns of images: the measure that the methods' claims are held against."""

from functools import cache
from pathlib import Path

import numpy as np
import torch
from conftest import SHARED
from methods.contract import problem
from numpy.typing import NDArray

from unlearn import datasets, recipe, recipe_check, training
from unlearn.audit.plan import AuditPlan
from unlearn.datasets import ImageDataset
from unlearn.perturbation import Perturbation

MINI = Path(SHARED) / "cifar10-mini"


@cache
def embedded(split: str) -> ImageDataset:
    """A split of the embedded set."""
    return datasets.load("embedded", split)


@cache
def cifar(split: str) -> ImageDataset:
    """A split of the first images of CIFAR-10 (JPEG q75)."""
    return datasets.load("parquet", split, path=str(MINI))


def accuracy(
    train: ImageDataset, pixels: NDArray[np.uint8], test: ImageDataset, plan: AuditPlan, seed: int = 0
) -> float:
    """Clean test accuracy of the plan's victim, trained on `pixels` on one thread."""
    torch.set_num_threads(1)
    network = training.build(plan.victims[0], train.classes, pixels.shape[1:], seed)
    batches = training.Batches(*(torch.from_numpy(a) for a in (pixels, train.labels, train.keys)))
    training.train(network, batches, plan.training, seed)
    return training.accuracy(network, torch.from_numpy(test.images), torch.from_numpy(test.labels))


def learned(pixels: NDArray[np.uint8], seeds: int = 1) -> float:
    """Of the embedded set by the demo's victim; the mean over so many seeds."""
    plan = recipe.load("demo").audit
    return float(np.mean([accuracy(embedded("train"), pixels, embedded("test"), plan, seed) for seed in range(seeds)]))


@cache
def clean() -> float:
    """`learned` of the clean images."""
    return learned(embedded("train").images)


def learned_cifar(pixels: NDArray[np.uint8]) -> float:
    """Of 5,000 images of CIFAR-10 (JPEG q75) by the small audit's victim."""
    return accuracy(cifar("train"), pixels, cifar("test"), recipe_check.load_audit("audits/small"))


def both(made: Perturbation, data: ImageDataset) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The protected pixels, and the control's."""
    index = np.arange(len(data))
    return made.apply_pixels(data.images, index), made.control(data.images, index, data.keys)


def crafted(method: object, data: ImageDataset, rows: str, epsilon: float) -> Perturbation:
    """The method's perturbation of all samples."""
    made: Perturbation = method.craft(problem(data, rows, epsilon))  # type: ignore[attr-defined]
    return made
