"""release.json: the facts of a release for machines. It holds no seed, no path and no hash of clean data.

It says how many samples are protected, but not which: that list would tell an attacker where clean data are.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from unlearn.datasets import ImageDataset
from unlearn.errors import ReleaseError
from unlearn.images import Quality
from unlearn.promise import Promise
from unlearn.quantities import whole_levels
from unlearn.release.facts import Facts
from unlearn.release.formats import FORMATS
from unlearn.release.stored import SPLITS

NAME = "release.json"
_CLOSED = ConfigDict(extra="forbid")
_Count = Annotated[int, Field(ge=0)]
_Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Split:
    """Samples of a split, in all and by class."""

    __pydantic_config__ = _CLOSED

    samples: _Count
    per_class: tuple[_Count, ...]


@dataclass(frozen=True)
class Measured:
    """The change as measured on the pixels: levels of 255, dB, SSIM, and on how many images."""

    __pydantic_config__ = _CLOSED

    max_levels: _Count
    psnr: float
    ssim: float
    worst_ssim: float
    images: _Count


@dataclass(frozen=True)
class Release:
    """The contents of release.json; `shape` is (C, H, W), `classes` are in the order of the labels.

    promise: what was kept to on every image; None for epsilon alone.
    """

    __pydantic_config__ = _CLOSED

    version: Literal[1]
    title: str
    format: str
    classes: tuple[str, ...]
    shape: tuple[Literal[1, 3], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    splits: dict[str, Split]
    method: str
    rows: str
    epsilon: _Share
    measured: Measured
    protected_share: _Share
    recipe_hash: str
    source: str
    license: str | None
    versions: dict[str, str]
    promise: Promise | None = None

    @property
    def limits(self) -> Promise:
        """Bounds on the change of a training image."""
        return self.promise or Promise(whole_levels(self.epsilon))

    @property
    def stated(self) -> str:
        """The words that the publisher chose to make public."""
        return " ".join((self.title, self.method, self.source, self.license or "", *self.classes))


def describe(
    splits: dict[str, ImageDataset],
    facts: Facts,
    quality: Quality,
    mask: NDArray[np.bool_],
    format: str,
) -> Release:
    """The record of these splits; the protected share is the mask's, shape (N,)."""
    train = splits["train"]
    return Release(
        version=1,
        title=facts.title,
        format=format,
        classes=train.names,
        shape=tuple(train.images.shape[1:]),
        splits={name: Split(len(data), tuple(data.counts().tolist())) for name, data in splits.items()},
        method=facts.method,
        rows=facts.rows,
        epsilon=facts.epsilon,
        measured=Measured(**asdict(quality)),
        protected_share=float(mask.mean()),
        recipe_hash=facts.recipe_hash,
        source=facts.source,
        license=facts.license,
        versions=dict(sorted(facts.versions.items())),
        promise=facts.promise,
    )


def text(release: Release) -> str:
    """The JSON text of release.json."""
    return json.dumps(asdict(release), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read(folder: Path) -> Release:
    """Read and check release.json.

    Raises:
        ReleaseError: missing, or not a record of this version; the message names every problem.
    """
    try:
        content = (folder / NAME).read_bytes()
        release = TypeAdapter(Release).validate_json(content)
    except OSError as error:
        raise ReleaseError(f"{folder}: not a release ({NAME}: {error.strerror})") from error
    except ValidationError as error:
        raise ReleaseError("; ".join(map(_problem, error.errors()))) from error
    problems = _contradictions(release)
    if problems:
        raise ReleaseError("; ".join(problems))
    return release


def _problem(error: Any) -> str:
    place = ".".join(map(str, error["loc"]))
    return f"{place}: {error['msg']}" if place else str(error["msg"])


def _contradictions(release: Release) -> list[str]:
    problems = [] if release.format in FORMATS else [f"format {release.format} is none of {', '.join(FORMATS)}"]
    if "train" not in release.splits or not set(release.splits) <= set(SPLITS):
        problems.append(f"splits: {', '.join(release.splits) or 'none'}; expected train, and test or not")
    for name, split in release.splits.items():
        if len(split.per_class) != len(release.classes) or sum(split.per_class) != split.samples:
            problems.append(f"splits.{name}: per_class does not fit classes and samples")
    if release.limits.levels > whole_levels(release.epsilon):
        problems.append(f"promise.levels: {release.limits.levels}, epsilon is {whole_levels(release.epsilon)}")
    limit = release.limits.levels
    if release.measured.max_levels > limit:
        problems.append(f"measured.max_levels: {release.measured.max_levels}, the budget is {limit}")
    return problems
