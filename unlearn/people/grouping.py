"""From groups of faces to persons: names by majority, what is too rare, and what a person should look at."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unlearn.people.linkage import Numbers, Vectors
from unlearn.photos.labels.people_file import IGNORE, Entry, People, Person
from unlearn.photos.persons import Box


@dataclass(frozen=True)
class Found:
    """A face of the archive. name: what labels call it, "" for nothing."""

    photo: bytes
    box: Box
    score: float
    name: str = ""


def people(found: Sequence[Found], features: Vectors, groups: Numbers, threshold: float, min_photos: int = 2) -> People:
    """Persons, those with most photos first, and faces of nobody.

    A group is a person if it has `min_photos` photos or a name. Groups of one name are one person. Faces are in doubt
    that are far from the others in the mean, are named otherwise, or are the second one in a photo.

    Args:
        found: N faces, sorted by photo. features: shape (N, D). groups: group numbers, shape (N,).
    """
    joined: dict[str, list[int]] = {}
    nameless: list[list[int]] = []
    unclear: list[int] = []
    for members in _members(groups):
        name = _majority(found[i].name for i in members)
        if name:
            joined.setdefault(name, []).extend(members)
        elif len({found[i].photo for i in members}) >= min_photos:
            nameless.append(members)
        else:
            unclear += members
    nameless.sort(key=lambda members: (-len({found[i].photo for i in members}), members[0]))
    numbered = zip(_numbers(set(joined)), nameless, strict=False)
    persons = [_person(name, sorted(m), found, features, threshold) for name, m in (*joined.items(), *numbered)]
    persons.sort(key=lambda person: -person.photos)
    return People(tuple(persons), tuple(_entry(found[i], False) for i in sorted(unclear)))


def _members(groups: Numbers) -> list[list[int]]:
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order])) + 1
    return [part.tolist() for part in np.split(order, starts) if len(part)]


def _majority(names: Iterator[str]) -> str:
    """The name that most faces have; of equals, the first in the alphabet, so that it is the same every time."""
    votes = Counter(name for name in names if name)
    return min(votes, key=lambda name: (-votes[name], name), default="")


def _numbers(taken: set[str]) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        if (name := f"person {number}") not in taken:
            yield name


def _person(name: str, members: list[int], found: Sequence[Found], features: Vectors, threshold: float) -> Person:
    likeness = _likeness(features[members])
    best: dict[bytes, float] = {}
    for i, like in zip(members, likeness, strict=True):
        best[found[i].photo] = max(like, best.get(found[i].photo, -1.0))
    doubts = [
        bool(like < threshold or found[i].name not in ("", name) or like < best[found[i].photo])
        for i, like in zip(members, likeness, strict=True)
    ]
    others = Counter(found[i].name for i in members if found[i].name not in ("", name))
    note = ", ".join(f"{count} named {other!r} in the photos" for other, count in sorted(others.items()))
    if name.casefold() == IGNORE:  # somebody's own label, which here would mean nobody
        name = f"{name} (label)"
    return Person(name, tuple(_entry(found[i], doubt) for i, doubt in zip(members, doubts, strict=True)), note)


def _likeness(features: Vectors) -> NDArray[np.float64]:
    """Mean cosine of each face and the person's others; 1 for an only face."""
    count = len(features)
    if count == 1:
        return np.ones(1)
    total = features.sum(0, dtype=np.float64)
    likeness: NDArray[np.float64] = (features @ total - 1) / (count - 1)
    return likeness


def _entry(face: Found, doubt: bool) -> Entry:
    return Entry(face.photo, face.box, face.score, doubt)
