"""Settings of supervised training; torch-free, so that recipes are checked without it."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from unlearn.quantities import Positive, Rate


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with momentum and clipping of the gradient's norm (0: none)."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    lr: Annotated[float, Field(gt=0, le=10)] = 0.1
    momentum: Rate = 0.9
    weight_decay: Rate = 5e-4
    clip: Annotated[float, Field(ge=0)] = 5.0


@dataclass(frozen=True)
class Training:
    """A supervised training run: the paper's CIFAR-10 recipe by default (Huang et al., ICLR 2021)."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    epochs: Positive = 60
    batch_size: Positive = 128
    sgd: SGD = SGD()
    schedule: Literal["cosine", "constant"] = "cosine"
    augment: tuple[Literal["crop", "flip"], ...] = ("crop", "flip")
    crop_padding: Annotated[int, Field(ge=0, le=64)] = 4
