"""What trainers and platforms do to an image before a network sees it, as settings; torch-free.

Noise is moved in expectation over such views (Athalye et al., ICML 2018, *Synthesizing Robust Adversarial Examples*),
so that what is learned is a pattern that survives them. See crafting/channel.py.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field

from unlearn.quantities import Positive, Share

Chance = Annotated[float, Field(ge=0.0, le=1.0)]


@dataclass(frozen=True)
class Jitter:
    """Color jitter of a share of the views: factors within 1 +- these strengths, hue within +- so many turns."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    share: Chance = 0.8
    brightness: Chance = 0.4
    contrast: Chance = 0.4
    saturation: Chance = 0.4
    hue: Annotated[float, Field(ge=0.0, le=0.5)] = 0.1


@dataclass(frozen=True)
class Views:
    """Random views, drawn for every sample and step; the default is the image as it is.

    size: side in pixels of the square view a network sees; None keeps the image's size.
    crop: smallest share of each side that a random crop keeps, drawn for height and width alike and apart.
    area: smallest share of the area that a random crop keeps, with sides 3:4 to 4:3 (Szegedy et al., CVPR 2015).
    flip: mirror half of the views.
    jpeg: share of the views that go through JPEG with 4:2:0 chroma, at a quality drawn from `qualities`.
    half: share of the views that are halved in size before.
    grayscale: share of the views in gray.
    tint: largest random offset of a channel, in [0, 1]: what color jitter and white balance do.
    jitter: color jitter as trainers do it, before gray; None for none.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    size: Positive | None = None
    crop: Share = 1.0
    area: Share = 1.0
    flip: bool = False
    jpeg: Chance = 0.0
    qualities: tuple[Annotated[int, Field(ge=1, le=100)], Annotated[int, Field(ge=1, le=100)]] = (50, 95)
    half: Chance = 0.0
    grayscale: Chance = 0.0
    tint: Chance = 0.0
    jitter: Jitter | None = None


def contrastive(strength: float) -> Views:
    """The views of contrastive learning at a strength in [0, 1], as Wang et al., NeurIPS 2024, grade them.

    At 1 they are SimCLR's (Chen et al., ICML 2020) without blur.
    """
    tones = (0.4 * strength, 0.4 * strength, 0.4 * strength, 0.1 * strength)
    jitter = Jitter(min(0.99, 0.8 * strength), *tones)
    return Views(area=max(0.05, 1 - 0.9 * strength), flip=True, grayscale=0.2 * strength, jitter=jitter)
