"""How protected photos are written: the user's choices that decide bytes; part of the recipe's hash."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

Policy = Literal["safe", "keep", "strip"]


@dataclass(frozen=True)
class Writing:
    """Defaults keep the source's own encoding and drop what is private.

    metadata: `safe` keeps orientation, capture date with zone, ICC, camera and lens, rating, title and caption;
        `keep` also GPS, serial numbers, owner, names and face regions; `strip` only orientation and ICC.
    names: with `safe`, keep names of persons and their face regions too.
    thumbnails: `rebuild` makes one from the protected pixels where the source had one; `drop` writes none.
    quality: JPEG, WebP, HEIC and AVIF quality; None uses the source's quantization tables, or a choice near them.
    heic: write HEIC photos as HEIC, or as JPEG.
    cmyk: `leave-out`, or `convert` through the embedded profile to sRGB.
    max_pixels: photos above are left out; checked on the header.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    metadata: Policy = "safe"
    names: bool = False
    thumbnails: Literal["rebuild", "drop"] = "rebuild"
    quality: Annotated[int, Field(ge=1, le=100)] | None = None
    heic: Literal["heic", "jpeg"] = "heic"
    cmyk: Literal["leave-out", "convert"] = "leave-out"
    max_pixels: Annotated[int, Field(ge=1)] = 400_000_000
