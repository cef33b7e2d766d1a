"""Face regions and names of persons in XMP: the Metadata Working Group's, Microsoft's, IPTC's, digiKam's, Lightroom's.

MWG areas are given by their *center*, Microsoft's rectangles by left and top; both in shares of the photo.
"""

import math
from collections.abc import Iterator
from typing import Any

from unlearn.photos import persons
from unlearn.photos.persons import Box, Frame, Labels, Region, View
from unlearn.photos.xmp_packet import Items, PacketError, Value, parse

SOURCE = "xmp"
_ASPECT = 0.02  # by which two aspect ratios may differ and still be the same: sizes are whole pixels
_SAME_FACE = 0.5
_NOBODY = {"unknown", "unconfirmed", "ignored"}  # digiKam's tags for faces without a person
_MOST_REGIONS = 1_000


def read(packet: bytes, view: View) -> Labels:
    """Everything that an XMP packet says about persons; regions that no longer fit the photo are noted, not used."""
    try:
        properties = parse(packet)
    except PacketError as error:
        return Labels(SOURCE, notes=(f"XMP is {error}",))
    mwg, notes = _mwg(properties.get("mwg-rs:Regions"), view)
    boxed = [*mwg, *_not_twice(_mp(properties.get("MP:RegionInfo"), view), mwg)]
    known = {region.name for region in boxed}
    listed = [Region(name, None, source) for source, name in _listed(properties) if name not in known]
    return Labels(SOURCE, (*boxed, *dict.fromkeys(listed)), notes)


def _not_twice(others: list[Region], first: list[Region]) -> list[Region]:
    """Regions of faces that the preferred notation does not have: digiKam writes both."""
    boxes = [region.box for region in first if region.box]
    names = {region.name for region in first if region.name}
    return [
        region
        for region in others
        if region.name not in names and not any(region.box and region.box.overlap(b) > _SAME_FACE for b in boxes)
    ]


def _rows(value: Value | None, key: str) -> list[dict[str, Any]]:
    """The structs in a struct's list; a single struct counts as a list of one."""
    found = value.get(key) if isinstance(value, dict) else None
    rows = found.values if isinstance(found, Items) else (found,)
    return [row for row in rows if isinstance(row, dict)][:_MOST_REGIONS]


def _mwg(value: Value | None, view: View) -> tuple[list[Region], tuple[str, ...]]:
    rows = [row for row in _rows(value, "mwg-rs:RegionList") if _text(row, "mwg-rs:Type").lower() in ("face", "")]
    size = _size(value)
    frame = _frame(size, view)
    if rows and frame is None:
        names = sorted({persons.name(_text(row, "mwg-rs:Name")) for row in rows} - {""})
        return [], (
            f"face regions are older than the photo's crop and were not used ({', '.join(names) or 'unnamed'})",
        )
    regions = []
    for row in rows:
        area = row.get("mwg-rs:Area")
        found = _area(area, size, view) if isinstance(area, dict) else None
        regions.append(_placed(persons.name(_text(row, "mwg-rs:Name")), found, "mwg", frame or "unclear", view, size))
    unclear = frame == "unclear" and any(region.box for region in regions)
    return regions, ("face regions do not say whether they were made before or after rotation",) if unclear else ()


def _placed(
    name: str, found: Box | None, source: str, frame: Frame, view: View, size: tuple[float, float] | None
) -> Region:
    """A region in the upright frame; without a box where only the decoder knows how the photo was turned."""
    if found and frame == "unclear" and size is not None and view.orientation < 5:
        found = None
    elif found and frame != "upright":
        found = persons.upright(found, view.orientation)
    return Region(name, found, source, frame)


def _text(row: dict[str, Any], key: str) -> str:
    found = row.get(key, "")
    if isinstance(found, Items):
        found = found.values[0] if found.values else ""
    return found.strip() if isinstance(found, str) else ""


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))  # some writers used their language's decimal comma
    except ValueError:
        return math.nan


def _size(value: Value | None) -> tuple[float, float] | None:
    """AppliedToDimensions, if it states a size."""
    stated = value.get("mwg-rs:AppliedToDimensions") if isinstance(value, dict) else None
    if not isinstance(stated, dict):
        return None
    width, height = _number(_text(stated, "stDim:w")), _number(_text(stated, "stDim:h"))
    return (width, height) if width > 0 and height > 0 and math.isfinite(width * height) else None


def _same(first: float, second: float) -> bool:
    return abs(first / second - 1) < _ASPECT


def _square(size: tuple[float, float]) -> bool:
    return _same(size[0], size[1])


def _frame(size: tuple[float, float] | None, view: View) -> Frame | None:
    """Which pixels the regions belong to: the stored ones unless their aspect is the upright one; None if neither."""
    if size is None:
        return "stored" if view.orientation == 1 else "unclear"
    stated, stored = size[0] / size[1], view.width / view.height
    if _same(stated, stored):
        sideways = view.orientation >= 5
        return "unclear" if sideways and _square(size) else "stored"
    if _same(stated, 1 / stored):
        return "upright" if view.orientation >= 5 else "unclear"
    return None


def _area(area: dict[str, Any], size: tuple[float, float] | None, view: View) -> Box | None:
    """A rectangle or a circle around a center; a circle's diameter is in shares of the smaller side."""
    x, y, w, h, d = (_number(_text(area, f"stArea:{key}")) for key in "xywhd")
    width, height = size or (view.width, view.height)
    if math.isnan(w) and math.isfinite(d):
        w, h = (d * min(width, height) / side for side in (width, height))
    if _text(area, "stArea:unit") == "pixel":
        circle = math.isnan(_number(_text(area, "stArea:w")))
        w, h = (d / width, d / height) if circle else (w / width, h / height)
        x, y = x / width, y / height
    return persons.box(x - w / 2, y - h / 2, w, h)


def _mp(value: Value | None, view: View) -> list[Region]:
    """Microsoft's regions: `left, top, width, height` in one text, without a size they refer to."""
    frame: Frame = "stored" if view.orientation == 1 else "unclear"
    regions = []
    for row in _rows(value, "MPRI:Regions"):
        cells = [_number(cell) for cell in _text(row, "MPReg:Rectangle").split(",")]
        found = persons.box(*cells) if len(cells) == 4 else None
        name = persons.name(_text(row, "MPReg:PersonDisplayName"))
        if name or found:
            regions.append(_placed(name, found, "mp", frame, view, None))
    return regions


def _listed(properties: dict[str, Value]) -> Iterator[tuple[str, str]]:
    """Names without boxes, with the list that has them."""
    for text in _lines(properties.get("Iptc4xmpExt:PersonInImage")):
        if found := persons.name(text):
            yield "iptc", found
    for key, slash, source in (("digiKam:TagsList", "/", "digikam"), ("lr:hierarchicalSubject", "|", "lightroom")):
        tags = [tag.strip(slash) for tag in _lines(properties.get(key))]
        for tag in tags:
            root, *below = tag.split(slash)
            is_group = any(other.startswith(tag + slash) for other in tags)
            if root.lower() == "people" and below and not is_group and below[-1].lower() not in _NOBODY:
                yield source, persons.name(below[-1])


def _lines(value: Value | None) -> list[str]:
    rows = value.values if isinstance(value, Items) else (value,)
    return [row for row in rows if isinstance(row, str) and row][:_MOST_REGIONS]
