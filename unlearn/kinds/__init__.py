"""Kinds of perturbation, one file each: objects that apply themselves, and that say what they promise.

A kind's file name is its name in saved perturbations, so nothing lists the kinds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from unlearn.images import Pixels
    from unlearn.promise import Promise


class Crafted(Protocol):
    """What a method hands over: a perturbation, or what becomes one as soon as the size of images is known."""

    @property
    def row(self) -> Tensor: ...

    def joined(self, other: Crafted, epsilon: float) -> Crafted | None:
        """One in place of itself and then `other`, within epsilon; None where the two stay two."""
        ...

    def on_pixels(self, shape: tuple[int, ...]) -> Perturbation:
        """The same for the pixels of images of shape (C, H, W), as it can be saved."""
        ...


class Perturbation(Crafted, Protocol):
    """Anything that turns clean images into protected ones. Positions `index` (B,) are those of its samples.

    epsilon: L-infinity budget in [0, 1], which every kind keeps to.
    row: int32 (N,), each sample's row of whatever the kind holds, or -1 for a sample that stays as it is.
    """

    @property
    def epsilon(self) -> float: ...

    @property
    def promise(self) -> Promise:
        """What it keeps to on every image."""
        ...

    def apply(self, images: Tensor, index: Tensor) -> Tensor:
        """Protected float images in [0, 1], shape (B, C, H, W)."""
        ...

    def apply_pixels(self, pixels: Pixels, index: NDArray[np.int64]) -> Pixels:
        """Protected uint8 pixels (B, C, H, W), which keep the promise exactly."""
        ...

    def control(self, pixels: Pixels, index: NDArray[np.int64], keys: NDArray[np.int64]) -> Pixels:
        """The same pixels under a change of the same kind and size that knows nothing of the labels; keys (B,)."""
        ...

    def protected(self, index: NDArray[np.int64]) -> NDArray[np.bool_]:
        """True where a sample is changed."""
        ...

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether it is for images of shape (C, H, W)."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """What a file holds of it, by name."""
        ...

    def facts(self) -> dict[str, Any]:
        """What a file says of it besides, ready for JSON."""
        ...

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Self:
        """From what a file holds and says.

        Raises:
            PerturbationError, KeyError, TypeError, ValueError: contents that contradict each other or are no such kind.
        """
        ...


def name_of(perturbation: Perturbation) -> str:
    """The kind's name: that of its file."""
    return type(perturbation).__module__.rpartition(".")[2]
