"""Projected gradient descent on images, as settings and one step. Madry et al., ICLR 2018."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.quantities import StepSize

if TYPE_CHECKING:  # recipes are checked without torch
    from torch import Tensor


@dataclass(frozen=True)
class PGD:
    """How a perturbation moves: `steps` signed steps of `step_size`, from the last noise or a random one."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    step_size: StepSize = 0.8 / 255
    steps: Annotated[int, Field(ge=1, le=1000)] = 20
    random_start: bool = False


def project(delta: Tensor, images: Tensor, epsilon: float) -> Tensor:
    """Clip to the budget and to real pixels: |delta| <= epsilon and images + delta in [0, 1]."""
    delta = delta.clamp(-epsilon, epsilon)
    return (images + delta).clamp(0.0, 1.0) - images


def step(delta: Tensor, gradient: Tensor, images: Tensor, epsilon: float, step_size: float) -> Tensor:
    """One signed step along `gradient` (down for a positive step_size), then the projection.

    delta, gradient, images: shape (B, C, H, W); epsilon and step_size in pixel units of [0, 1].
    """
    return project(delta - step_size * gradient.sign(), images, epsilon)
