"""Persons in a photo, as a source of labels states them: names, boxes of faces, and doubts."""

import math
import unicodedata
from dataclasses import dataclass, field
from typing import Literal

from unlearn.photos.picture import TURNS

_LONGEST_NAME = 200
_LONGEST_TEXT = 2_000  # before normalizing: labels may be hostile
Frame = Literal["stored", "upright", "unclear"]


@dataclass(frozen=True)
class View:
    """How a photo is stored: size in stored pixels, and the EXIF orientation that a viewer applies (1 to 8)."""

    width: int
    height: int
    orientation: int = 1


@dataclass(frozen=True)
class Box:
    """A face's place in the upright photo, in [0, 1]: left, top, width and height."""

    x: float
    y: float
    w: float
    h: float

    @property
    def area(self) -> float:
        """Share of the photo."""
        return self.w * self.h

    def overlap(self, other: "Box") -> float:
        """Intersection over union."""
        wide = min(self.x + self.w, other.x + other.w) - max(self.x, other.x)
        high = min(self.y + self.h, other.y + other.h) - max(self.y, other.y)
        common = max(0.0, wide) * max(0.0, high)
        return common / (self.area + other.area - common) if common else 0.0


@dataclass(frozen=True)
class Region:
    """One face. name: empty for a face without a name. box: None for a name without a box.

    source: mwg, mp, picasa, or the list that named a person. frame: which pixels the source's box belonged to;
    `unclear` boxes were read as stored, and a face detector should compare both readings.
    """

    name: str
    box: Box | None
    source: str
    frame: Frame = "stored"


@dataclass(frozen=True)
class Labels:
    """What one source says about one photo. notes: what a user should look at."""

    source: str
    regions: tuple[Region, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def names(self) -> tuple[str, ...]:
        """Names, the largest face first, then names without boxes in the source's order; each once."""
        ordered = sorted(self.regions, key=lambda region: -region.box.area if region.box else 0.0)
        return tuple(dict.fromkeys(region.name for region in ordered if region.name))


def name(text: str) -> str:
    """A person's name in one spelling: NFC, one space between words, no control characters, not endless."""
    visible = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") else c for c in text[:_LONGEST_TEXT])
    return " ".join(unicodedata.normalize("NFC", visible).split())[:_LONGEST_NAME].strip()


def box(left: float, top: float, width: float, height: float) -> Box | None:
    """A box cut to the photo, or None if nothing sensible is left of it."""
    if not all(map(math.isfinite, (left, top, width, height))):
        return None
    right, bottom = min(1.0, left + width), min(1.0, top + height)
    left, top = max(0.0, left), max(0.0, top)
    return Box(left, top, right - left, bottom - top) if right > left and bottom > top else None


@dataclass(frozen=True, slots=True)
class Named:
    """A face that somebody has named. unclear: the box may be of the upright photo already, see `Region.frame`."""

    name: str
    box: Box
    unclear: bool = False


def upright(stored: Box, orientation: int) -> Box:
    """A box of the stored photo as it lies in the upright one."""
    transpose, rows, columns = TURNS[orientation]
    x, y, w, h = (stored.y, stored.x, stored.h, stored.w) if transpose else (stored.x, stored.y, stored.w, stored.h)
    return Box(1 - x - w if columns else x, 1 - y - h if rows else y, w, h)


def untouched(box: Box, orientation: int) -> Box:
    """The numbers of an upright box before `upright` turned it: its other reading, where the frame is unclear."""
    transpose, rows, columns = TURNS[orientation]
    x, y = 1 - box.x - box.w if columns else box.x, 1 - box.y - box.h if rows else box.y
    return Box(y, x, box.h, box.w) if transpose else Box(x, y, box.w, box.h)
