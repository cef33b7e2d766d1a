"""What a small network learns of images: the measure that the methods' claims are held against."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SHARED
from methods import cropped
from methods.contract import problem
from numpy.typing import NDArray
from once import once
from torch import nn

from unlearn import datasets, recipe, recipe_check, training
from unlearn.audit.plan import AuditPlan
from unlearn.datasets import ImageDataset
from unlearn.perturbation import Perturbation

MINI = Path(SHARED) / "cifar10-mini"


def on_cifar10(test: Callable[[], None]) -> Callable[[], None]:
    """Many minutes of crafting and of training victims on real images."""
    absent = pytest.mark.skipif(not MINI.is_dir(), reason=f"no {MINI}; set UNLEARN_SHARED")
    return pytest.mark.slow(pytest.mark.timeout(3600)(absent(test)))


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
    network = trained(train, pixels, plan, seed)
    return training.accuracy(network, torch.from_numpy(test.images), torch.from_numpy(test.labels))


def trained(train: ImageDataset, pixels: NDArray[np.uint8], plan: AuditPlan, seed: int = 0) -> nn.Module:
    """The plan's victim after its training on `pixels` on one thread."""
    torch.set_num_threads(1)
    network = training.build(plan.victims[0], train.classes, pixels.shape[1:], seed)
    batches = training.Batches(*(torch.from_numpy(a) for a in (pixels, train.labels, train.keys)))
    training.train(network, batches, plan.training, seed)
    return network


def learned(pixels: NDArray[np.uint8], seeds: int = 1) -> float:
    """Of the embedded set by the demo's victim; the mean over so many seeds, from the audit's first one on.

    With the recipes' own seed, 0, a victim would be the surrogate before its first step.
    """
    plan = recipe.load("demo").audit
    each = range(plan.first_seed, plan.first_seed + seeds)
    return float(np.mean([accuracy(embedded("train"), pixels, embedded("test"), plan, seed) for seed in each]))


@cache
def clean() -> float:
    """`learned` of the clean images."""
    return once("clean-embedded", lambda: learned(embedded("train").images))


def learned_cifar(pixels: NDArray[np.uint8]) -> float:
    """Of 5,000 images of CIFAR-10 (JPEG q75) by the victim of audits/small-orders: ten epochs, 1,570 steps.

    Noise of single samples is learned no sooner. The seed is the audit's, as in `learned`.
    """
    plan = recipe_check.load_audit("audits/small-orders")
    return accuracy(cifar("train"), pixels, cifar("test"), plan, plan.first_seed)


@cache
def clean_cifar() -> float:
    """`learned_cifar` of the clean images."""
    return once("clean-cifar", lambda: learned_cifar(cifar("train").images))


def holds_on_cifar(made: Perturbation, share: float = 0.5) -> None:
    """Less than this share of the clean accuracy; noise of the same budget costs nothing."""
    pixels, control = both(made, cifar("train"))
    left, harmless, clean = learned_cifar(pixels), learned_cifar(control), clean_cifar()
    assert left < share * clean, f"{left:.3f} of {clean:.3f}"
    assert harmless > clean - 0.06, f"{harmless:.3f} of {clean:.3f}"


def both(made: Perturbation, data: ImageDataset) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The protected pixels, and the control's."""
    index = np.arange(len(data))
    return made.apply_pixels(data.images, index), made.control(data.images, index, data.keys)


def recipe_holds_on_cifar(name: str, share: float = 0.5) -> None:
    """`holds_on_cifar` of a recipe of recipes/small."""
    settings = recipe.load(name)
    holds_on_cifar(settings.method.craft(cropped.problem_of(settings, cifar("train"))), share)


def crafted(method: object, data: ImageDataset, rows: str, epsilon: float) -> Perturbation:
    """The method's perturbation of all samples."""
    made: Perturbation = method.craft(problem(data, rows, epsilon))  # type: ignore[attr-defined]
    return made
