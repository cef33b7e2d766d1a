"""What a perturbation keeps to on every image, whatever it does: bounds that can be checked on saved pixels."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field

from unlearn.images import Pixels
from unlearn.quantities import LEVELS

SLACK = 1e-6  # of a norm, for its sum in floating point


@dataclass(frozen=True)
class Promise:
    """Bounds on the change of one image.

    levels: largest change of a value, in levels of 255; 255 bounds nothing.
    pixels: the most pixels that change; None for all of them.
    norm: largest L2 norm of the change of the whole image, values in [0, 1]; None for what follows from the others.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    levels: Annotated[int, Field(ge=0, le=LEVELS)]
    pixels: Annotated[int, Field(ge=0)] | None = None
    norm: Annotated[float, Field(ge=0)] | None = None

    @property
    def words(self) -> str:
        """`L-infinity norm`, `at most 1 pixel of an image`, `L2 norm of at most 1.3 an image`, or `no norm`."""
        said = ["L-infinity norm"] if self.levels < LEVELS and self.norm is None and self.pixels is None else []
        if self.norm is not None:
            said.append(f"L2 norm of at most {self.norm:.4g} an image")
        if self.pixels is not None:
            said.append(f"at most {self.pixels} pixel{'' if self.pixels == 1 else 's'} of an image")
        return ", ".join(said) or "no norm"

    @property
    def plain(self) -> bool:
        """True where the largest change of a value is all there is to it."""
        return self.levels < LEVELS and self.pixels is None and self.norm is None

    def broken(self, clean: Pixels, changed: Pixels) -> Iterator[str]:
        """What is larger than it may be; both uint8 (C, H, W)."""
        change = changed.astype(np.int32) - clean
        levels, pixels = int(np.abs(change).max()), int(change.any(axis=0).sum())
        norm = float(np.sqrt((change.astype(np.float64) ** 2).sum())) / LEVELS
        if levels > self.levels:
            yield f"changed by {levels} levels, at most {self.levels} are allowed"
        if self.pixels is not None and pixels > self.pixels:
            yield f"changed in {pixels} pixels, at most {self.pixels} are allowed"
        if self.norm is not None and norm > self.norm * (1 + SLACK):
            yield f"changed by an L2 norm of {norm:.4g}, at most {self.norm:.4g} is allowed"
