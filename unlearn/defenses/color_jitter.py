"""Color jitter of training images: a random gain and offset a channel, as trainers and cameras' white balance give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.defenses import Defense

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.randomness import Draws


@dataclass(frozen=True)
class ColorJitter(Defense):
    """Each channel is multiplied by 1 +- `gain` and moved by +- `offset`, drawn for every sample and epoch.

    Breaks shortcuts that are a tint: a class-wise offset is small beside the jitter.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    gain: Annotated[float, Field(ge=0, le=1)] = 0.2
    offset: Annotated[float, Field(ge=0, le=1)] = 0.1

    def augment(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Jitter every channel of every image on its own, clipped to [0, 1]."""
        channels = (images.shape[1], 1, 1)
        gain = 1 + self.gain * (2 * draws.uniform("jitter-gain", channels) - 1)
        offset = self.offset * (2 * draws.uniform("jitter-offset", channels) - 1)
        return (images * gain + offset).clamp(0.0, 1.0), labels
