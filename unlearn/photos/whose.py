"""Whose face is it? Faces that a detector found, joined with boxes that somebody has named."""

from collections.abc import Sequence

from unlearn.faces.face import Face
from unlearn.photos.persons import Box, Named, box, untouched

SAME_FACE = 0.2  # boxes of people and of detectors differ: some take the head, some the face, some the eyes and mouth
NOT_FOUND = "a named face was not found"
SEVERAL = "several faces in one named box: the one that fits best has the name"


def names(
    faces: Sequence[Face], named: Sequence[Named], height: int, width: int, orientation: int = 1
) -> tuple[list[str], tuple[str, ...]]:
    """A name or "" for every face of an upright photo (height, width), and what a user should know.

    Args:
        orientation: of the photo as it is stored, for boxes of which it is unclear what they belong to.
    """
    if not named:
        return [""] * len(faces), ()
    found = [_place(face, height, width) for face in faces]
    plain = [each for each in named if not each.unclear]
    unclear = [each for each in named if each.unclear]
    turned = [Named(each.name, untouched(each.box, orientation)) for each in unclear]
    readings = [_joined(found, [*plain, *reading]) for reading in ([unclear, turned] if unclear else [[]])]
    return max(readings, key=lambda reading: sum(map(bool, reading[0])))


def _place(face: Face, height: int, width: int) -> Box | None:
    left, top, right, bottom = face.box
    return box(left / width, top / height, (right - left) / width, (bottom - top) / height)


def _joined(found: Sequence[Box | None], named: Sequence[Named]) -> tuple[list[str], tuple[str, ...]]:
    """The best pairs first; a face has one name, and a name's box one face."""
    pairs = [
        (place.overlap(each.box), i, j)
        for i, place in enumerate(found)
        if place
        for j, each in enumerate(named)
        if _fits(place, each.box)
    ]
    names, taken = [""] * len(found), set[int]()
    for _, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1:])):
        if not names[i] and j not in taken:
            names[i] = named[j].name
            taken.add(j)
    more = any(not names[i] for _, i, _ in pairs)
    notes = [NOT_FOUND] * (len(taken) < len(named)) + [SEVERAL] * more
    return names, tuple(notes)


def _fits(place: Box, labeled: Box) -> bool:
    """Much in common, or the face's middle inside."""
    x, y = place.x + place.w / 2, place.y + place.h / 2
    inside = labeled.x <= x <= labeled.x + labeled.w and labeled.y <= y <= labeled.y + labeled.h
    return inside or place.overlap(labeled) > SAME_FACE
