"""people.yaml: persons with their faces, as `unlearn people scan` writes it and a person edits it.

Paths are relative to the archive, boxes left, top, width and height in [0, 1] of the upright photo. Every entry is
checked, and errors name line and column. A name that stands twice is one person; the name `ignore` names nobody.
"""

import base64
import binascii
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from unlearn.photos import persons
from unlearn.photos.labels import _yaml
from unlearn.photos.labels._yaml import Node, Problems
from unlearn.photos.persons import Box, Labels, Region

SOURCE: Final = "people"
SCHEMA: Final = "unlearn-people-1"
IGNORE: Final = "ignore"
SUFFIXES: Final = (".yaml", ".yml")
_TOP = ("schema", "persons", "unclear")
_PERSON = ("name", "photos", "note", "faces")
_FACE = ("photo", "photo_b64", "box", "points", "score", "doubt")
_SLACK = 0.001  # boxes are written rounded


@dataclass(frozen=True)
class Entry:
    """One face. photo: path relative to the archive. score: the detector's. doubt: a person should look at it.

    points: five pairs of x and y in [0, 1] of the upright photo, or none. line: where it stands, 0 for nowhere.
    """

    photo: bytes
    box: Box
    score: float = 1.0
    doubt: bool = False
    points: tuple[tuple[float, float], ...] = ()
    line: int = 0


@dataclass(frozen=True)
class Person:
    """One person and all faces that are taken for theirs. note: what disagrees."""

    name: str
    faces: tuple[Entry, ...]
    note: str = ""

    @property
    def photos(self) -> int:
        """Photos with this person."""
        return len({face.photo for face in self.faces})


@dataclass(frozen=True)
class People:
    """A whole file. unclear: faces that are no person's."""

    persons: tuple[Person, ...]
    unclear: tuple[Entry, ...] = ()


def is_people(path: str) -> bool:
    """Whether a source of labels is such a file, by its suffix."""
    return path.lower().endswith(SUFFIXES)


def read(path: Path) -> People:
    """A people file, checked whole; persons of one name are joined.

    Raises:
        DataError: one line a problem, with the place.
    """
    problems = Problems(str(path))
    root = _yaml.compose(path, problems)
    people = _people(root, problems) if root else People(())
    problems.raise_any()
    return people


class PeopleFile:
    """A people file as a source of labels; remembers which of its faces met a photo."""

    def __init__(self, path: Path):
        """Read it.

        Raises:
            DataError: as `read`.
        """
        self.path = path
        self._regions: dict[bytes, list[Region]] = {}
        self._lines: dict[bytes, int] = {}
        people = read(path)
        named = [(person.name, person.faces) for person in people.persons]
        for name, faces in (*named, ("", people.unclear)):
            for face in faces:
                known = "" if name.casefold() == IGNORE else name
                self._regions.setdefault(face.photo, []).append(Region(known, face.box, SOURCE, "upright"))
                self._lines.setdefault(face.photo, face.line)

    def read(self, path: bytes) -> Labels:
        """The faces of one photo; those of nobody have no name."""
        self._lines.pop(path, None)
        return Labels(SOURCE, tuple(self._regions.get(path, ())))

    def unmet(self) -> list[str]:
        """Photos that were not in the archive so far, as `file, line N: path`."""
        missing = sorted((line, path.decode("utf-8", "backslashreplace")) for path, line in self._lines.items())
        return [f"{self.path}, line {line}: {path}" for line, path in missing]


def _people(root: Node, problems: Problems) -> People:
    top = problems.mapping(root, (), _TOP)
    schema = top.get("schema")
    if schema is None or schema.value != SCHEMA:
        problems.add(schema or root, ("schema",), f"expected {SCHEMA}, as `unlearn people scan` writes it")
        return People(())
    joined: dict[str, list[Entry]] = {}
    for place, node in problems.items(top.get("persons"), ("persons",)):
        person = problems.mapping(node, place, _PERSON)
        name = _name(node, person.get("name"), (*place, "name"), problems)
        if "photos" in person:
            problems.number(person["photos"], (*place, "photos"))
        joined.setdefault(name, []).extend(_faces(person.get("faces"), (*place, "faces"), problems))
    unclear = tuple(_faces(top.get("unclear"), ("unclear",), problems))
    found = tuple(Person(name, tuple(faces)) for name, faces in joined.items())
    _each_once(found, problems)
    return People(found, unclear)


def _name(owner: Node, node: Node | None, place: tuple[str, ...], problems: Problems) -> str:
    text = problems.text(node, place) if node else ""
    name = persons.name(text or "")
    if not name and (node is None or text is not None):
        problems.add(node or owner, place, f"is missing; write a name, or `{IGNORE}` for nobody")
    return name


def _faces(node: Node | None, place: tuple[str, ...], problems: Problems) -> Iterator[Entry]:
    for here, item in problems.items(node, place):
        face = problems.mapping(item, here, _FACE)
        photo = _photo(item, face, here, problems)
        box = _box(item, face.get("box"), (*here, "box"), problems)
        score = problems.number(face["score"], (*here, "score")) if "score" in face else 1.0
        if score is not None and not 0 <= score <= 1:
            problems.add(face["score"], (*here, "score"), "should lie between 0 and 1")
        doubt = problems.truth(face["doubt"], (*here, "doubt")) if "doubt" in face else False
        points = _points(face.get("points"), (*here, "points"), problems)
        if photo and box:
            yield Entry(photo, box, score or 0.0, doubt, points, item.start_mark.line + 1)


def _photo(owner: Node, face: dict[str, Node], place: tuple[str, ...], problems: Problems) -> bytes:
    """The path; `photo_b64` has it where it is not UTF-8, and `photo` then only shows it."""
    key = "photo_b64" if "photo_b64" in face else "photo"
    node = face.get(key)
    text = problems.text(node, (*place, key)) if node else None
    if node is None or text is None:
        if node is None:
            problems.add(owner, (*place, "photo"), "is missing")
        return b""
    try:
        path = base64.b64decode(text, validate=True) if key == "photo_b64" else text.encode("utf-8", "surrogateescape")
    except (binascii.Error, UnicodeEncodeError, ValueError):
        problems.add(node, (*place, key), "is no path in base64" if key == "photo_b64" else "is no path")
        return b""
    path = path.removeprefix(b"./")
    if not path or path.startswith(b"/") or b".." in path.split(b"/") or b"\0" in path:
        problems.add(node, (*place, key), f"{text!r} should be a path inside the folder of photos, relative to it")
        return b""
    return path


def _box(owner: Node, node: Node | None, place: tuple[str, ...], problems: Problems) -> Box | None:
    if node is None:
        problems.add(owner, place, "is missing; it is [left, top, width, height] in shares of the upright photo")
        return None
    values = problems.numbers(node, place, 4)
    if values is None:
        return None
    x, y, w, h = values
    outside = min(x, y) < -_SLACK or max(x + w, y + h) > 1 + _SLACK or min(w, h) <= 0
    cut = min(x, y) < 0 or max(x + w, y + h) > 1
    box = None if outside else persons.box(x, y, w, h) if cut else Box(x, y, w, h)
    if box is None:
        problems.add(node, place, f"{values} should be [left, top, width, height] inside 0 to 1")
    return box


def _points(node: Node | None, place: tuple[str, ...], problems: Problems) -> tuple[tuple[float, float], ...]:
    pairs = [problems.numbers(item, here, 2) for here, item in problems.items(node, place)]
    if node is not None and len(pairs) not in (0, 5):
        problems.add(node, place, f"{len(pairs)} points; there should be five")
    return tuple((pair[0], pair[1]) for pair in pairs if pair and all(map(math.isfinite, pair)))


def _each_once(found: tuple[Person, ...], problems: Problems) -> None:
    """One face under two names is a mistake of editing; nothing says which one is meant."""
    owner: dict[tuple[bytes, Box], tuple[str, Any]] = {}
    for person in found:
        for face in person.faces:
            name, line = owner.setdefault((face.photo, face.box), (person.name, face.line))
            if name != person.name:
                problems.at(face.line, f"a face of {person.name!r} stands under {name!r} too, in line {line}")
