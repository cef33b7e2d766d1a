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
class Views:
    """Random views, drawn for every sample and step; the default is the image as it is.

    size: side in pixels of the square view a network sees; None keeps the image's size.
    crop: smallest share of each side that a random crop keeps, drawn for height and width alike and apart.
    flip: mirror half of the views.
    jpeg: share of the views that go through JPEG with 4:2:0 chroma, at a quality drawn from `qualities`.
    half: share of the views that are halved in size before.
    grayscale: share of the views in gray.
    tint: largest random offset of a channel, in [0, 1]: what color jitter and white balance do.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    size: Positive | None = None
    crop: Share = 1.0
    flip: bool = False
    jpeg: Chance = 0.0
    qualities: tuple[Annotated[int, Field(ge=1, le=100)], Annotated[int, Field(ge=1, le=100)]] = (50, 95)
    half: Chance = 0.0
    grayscale: Chance = 0.0
    tint: Chance = 0.0
