"""What happens to an aligned face between its owner and a recogniser, as settings; torch-free.

Noise is moved in expectation over such views (Athalye et al., ICML 2018); see crafting/face_channel.py. Lengths are
shares of the canvas's side, on which the eyes lie 0.22 apart.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field

from unlearn.crafting.views import Chance
from unlearn.quantities import Share

Quality = Annotated[int, Field(ge=1, le=100)]
Small = Annotated[float, Field(ge=0.0, le=0.25)]


@dataclass(frozen=True)
class FaceViews:
    """Random views, drawn for every photo and step; the default is the canvas as it is.

    photo: smallest size of the face in its photo, as a share of the canvas; drawn up to 1, before everything else.
    jpeg: share of the views that go through JPEG with 4:2:0 chroma, at a quality drawn from `qualities`.
    resized: share of the views that are reduced by a factor drawn from [`scale`, 1] and then go through JPEG.
    blur: largest sigma of a Gaussian blur, drawn from [0, blur], in pixels of a canvas of 224.
    shift, turn, zoom: how far a detector may miss: a move in both directions, degrees, and a change of size.
    flip: mirror half of the views.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    photo: Share = 1.0
    jpeg: Chance = 0.0
    resized: Chance = 0.0
    qualities: tuple[Quality, Quality] = (60, 95)
    scale: Share = 0.3
    blur: Annotated[float, Field(ge=0.0, le=8.0)] = 0.0
    shift: Small = 0.0
    turn: Annotated[float, Field(ge=0.0, le=45.0)] = 0.0
    zoom: Small = 0.0
    flip: bool = False
