"""A small protected data set, and releases of it in every format."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unlearn import images
from unlearn.datasets import ImageDataset
from unlearn.release.facts import Facts
from unlearn.release.formats import FORMATS
from unlearn.release.write import write

NAMES = ("zebra", "ant", "bee")
RECIPE = "version: 1\nmethod:\n  name: em\n  pgd: {step_size: 0.8/255, steps: 20}\nepsilon: 8/255\n"


def pixels(count: int, start: int = 0) -> images.Pixels:
    """uint8 (count, 3, 8, 8), away from the borders, so that noise is never clipped."""
    return np.random.default_rng(start).integers(20, 230, (count, 3, 8, 8)).astype(np.uint8)


def dataset(count: int, split: str = "train", start: int = 0) -> ImageDataset:
    return ImageDataset(pixels(count, start), np.arange(count) % 3, NAMES, split)


@pytest.fixture
def clean() -> ImageDataset:
    return dataset(12)


@pytest.fixture
def clean_test() -> ImageDataset:
    return dataset(6, "test", start=1)


@pytest.fixture
def protected(clean: ImageDataset) -> ImageDataset:
    noise = np.random.default_rng(2).choice([-8, 5, 8], clean.images.shape)
    return replace(clean, images=(clean.images + noise).astype(np.uint8))


@pytest.fixture
def facts() -> Facts:
    return Facts(
        title="small",
        method="em",
        method_line="Error-minimizing noise (EM). Huang et al., ICLR 2021, Algorithm 1.",
        rows="sample-wise",
        epsilon=8 / 255,
        recipe=RECIPE,
        recipe_hash="0123456789abcdef",
        source="hub someone/pictures@1a2b3c",
        license="mit",
        versions={"unlearn": "0.1.0", "torch": "2.13.0"},
        protected_share=1.0,
        results=None,
    )


Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, clean: ImageDataset, protected: ImageDataset, clean_test: ImageDataset, facts: Facts) -> Make:
    """Write a release with any of `write`'s arguments replaced, and `facts` by its fields."""

    def build(name: str = "out", **changes: object) -> Path:
        fields = {key: changes.pop(key) for key in list(changes) if hasattr(facts, key)}
        arguments = {
            "protected": protected,
            "test": clean_test,
            "facts": replace(facts, **fields),
            "quality": images.quality(clean.images, protected.images),
            "mask": np.ones(len(clean), dtype=bool),
        }
        return write(tmp_path / name, **{**arguments, **changes})

    return build


@pytest.fixture(params=sorted(FORMATS))
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def release(make: Make, form: str) -> Path:
    return make(format=form)
