"""The parts of a recipe as dataclasses: their fields are what a recipe may say. Torch-free."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from unlearn.crafting.domain import Band
from unlearn.crafting.schedule import Surrogate
from unlearn.crafting.target import Target
from unlearn.fitting import Fit
from unlearn.quantities import Epsilon, Positive, Size


@dataclass(frozen=True)
class Expects:
    """What the data must be like for this recipe; checked before anything runs."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    classes: Positive | None = None
    size: Positive | None = None


@dataclass(frozen=True)
class DataSettings:
    """What every source has besides its own options.

    memory: decoded sets, noise and copies of more than so many bytes are kept in mapped files; no result depends on it.
    cache: the folder of decoded sets, which are kept until you delete them; None for unlearn/images in the user's own.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    train: str = "train"
    test: str | None = "test"
    train_samples: Positive | None = None
    test_samples: Positive | None = None
    fit: Fit | None = None
    expects: Expects = Expects()
    title: str | None = None
    license: str | None = None
    memory: Size = 2_000_000_000
    cache: str | None = None

    @property
    def cache_folder(self) -> Path:
        """Where decoded sets are kept."""
        if self.cache is not None:
            return Path(self.cache).expanduser()
        own = os.environ.get("XDG_CACHE_HOME", "")
        return (Path(own) if os.path.isabs(own) else Path.home() / ".cache") / "unlearn" / "images"


@dataclass(frozen=True)
class Expected:
    """A figure that `scripts/reproduce` holds a result against."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    at_least: float | None = None
    at_most: float | None = None
    within: float | None = None
    of: str | None = None


@dataclass(frozen=True)
class TopLevel:
    """A recipe as written, without the parts whose schema depends on a name.

    precision: `float32` is the reference: the same bytes for any number of threads and processes on CPUs of one model.
        `bfloat16` is fast: mixed precision, the frozen surrogate's weights cast once a round, a fused optimizer; other
        bytes, though still for any number of threads and processes. It pays on GPUs and on CPUs that compute in it
        (avx512_bf16, amx_bf16), and saves none on others. `auto` is bfloat16 on CUDA devices and float32 elsewhere.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    method: Any
    data: Any
    epsilon: Epsilon = 8 / 255
    rows: Literal["sample-wise", "class-wise"] = "sample-wise"
    band: Band | None = None
    target: Target = Target()
    surrogate: Surrogate = Surrogate()
    embedders: tuple[str, ...] = ()
    audit: Any = "audits/standard"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    beside: tuple[str, ...] = ()
    expected: dict[str, Expected] = field(default_factory=dict)
