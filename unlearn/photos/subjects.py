"""Whose photo is it? Joins the sources of labels into one subject a photo, and says where they disagree.

The order: a table or people file, then folders, then XMP (embedded before sidecar), Picasa, Takeout; the first with a
name wins.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from unlearn.errors import DataError
from unlearn.photos.labels import folders, people_file, picasa, regions, table, takeout
from unlearn.photos.persons import Labels, Named, Region, View

EVERYONE = "everyone"
AUTO, FOLDERS = "auto", "folders"
_SAME_FACE = 0.5
_LONGEST_FILE_NAME = 40
_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?")
_HASHED = re.compile(r".*-[0-9a-f]{8}", re.DOTALL)
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)  # no file names on Windows
Reader = Callable[[bytes], bytes | None]


@dataclass(frozen=True)
class Subject:
    """Whose key protects a photo.

    name: the subject, EVERYONE for photos without a label. source: which labels decided, "" for none.
    also: further persons in the photo. regions: faces of all sources, upright, for finding and matching faces.
    conflict: how sources disagree, "" if they do not. notes: what else a user should look at.
    """

    name: str
    source: str = ""
    also: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()
    conflict: str = ""
    notes: tuple[str, ...] = ()

    def named(self) -> tuple[Named, ...]:
        """The faces with a box and a name."""
        return tuple(Named(r.name, r.box, r.frame == "unclear") for r in self.regions if r.box and r.name)


class Labeler:
    """Gives subjects to the photos of one archive, one at a time, with a small and bounded memory."""

    def __init__(self, people: str = AUTO, read: Reader = lambda path: None):
        """Choose the sources.

        Args:
            people: `auto` (XMP, Picasa, Takeout), `folders` (the first folder below the archive), a CSV file, or a
                people.yaml; where these are silent about a photo, it goes on as with `auto`.
            read: gives the content of a file beside the photos by its path relative to the archive, or None.

        Raises:
            DataError: a table that cannot be read, line by line.
        """
        self._read = read
        self._picasa = picasa.Picasa(read)
        self._folders = people == FOLDERS
        self._table = None if people in (AUTO, FOLDERS) else _table(people)

    def subject(self, path: bytes, xmp: bytes | None, view: View) -> Subject:
        """The subject of one photo.

        Args:
            path: relative to the archive, with forward slashes.
            xmp: the packet inside the photo, or None.
        """
        return _joined([labels for labels in self._labels(path, xmp, view) if labels.regions or labels.notes])

    def unmet(self) -> list[str]:
        """Rows of the table that no photo fitted so far."""
        return self._table.unmet() if self._table else []

    def _labels(self, path: bytes, xmp: bytes | None, view: View) -> Iterator[Labels]:
        if self._table:
            yield self._table.read(path)
        if self._folders:
            yield folders.read(path)
        if xmp:
            yield regions.read(xmp, view)
        for name in _sidecars(path):
            data = self._read(name)
            if data is not None:
                found = regions.read(data, view)
                yield Labels("xmp sidecar", found.regions, found.notes)
        yield self._picasa.read(path, view)
        yield takeout.read(path, self._read)


def _table(people: str) -> table.Table | people_file.PeopleFile:
    if not Path(people).is_file():
        raise DataError(f"people: {people!r} is neither `{AUTO}` nor `{FOLDERS}` nor an existing CSV or YAML file")
    return people_file.PeopleFile(Path(people)) if people_file.is_people(people) else table.Table(Path(people))


def _sidecars(path: bytes) -> Iterator[bytes]:
    folder, slash, name = path.rpartition(b"/")
    stem = name.rpartition(b".")[0] or name
    for base in dict.fromkeys((name, stem)):
        yield from (folder + slash + base + suffix for suffix in (b".xmp", b".XMP"))


def _joined(sources: list[Labels]) -> Subject:
    notes = tuple(note for labels in sources for note in labels.notes)
    naming = [labels for labels in sources if labels.names]
    faces, clash = _faces(sources)
    if not naming:
        return Subject(EVERYONE, regions=faces, notes=notes)
    first, *later = naming
    name = first.names[0]
    others = dict.fromkeys(other for labels in naming for other in labels.names if other != name)
    unplaced = len(first.names) > 1 and not any(region.box for region in first.regions if region.name == name)
    if unplaced:
        notes += (f"{len(first.names)} names without boxes; {name!r} came first",)
    return Subject(name, first.source, tuple(others), faces, _conflict(name, first.source, later) or clash, notes)


def _conflict(name: str, source: str, later: list[Labels]) -> str:
    """The first source that names persons, but not this one."""
    for labels in later:
        if name not in labels.names:
            return f"{source} says {name!r}, {labels.source} says {', '.join(map(repr, labels.names[:3]))}"
    return ""


def _faces(sources: list[Labels]) -> tuple[tuple[Region, ...], str]:
    """Faces with boxes, each once, and how sources disagree about one of them.

    Of two sources' boxes over one face, the earlier source's counts; a name that it lacks comes from the later one.
    """
    kept: list[Region] = []
    clash = ""
    for labels in sources:
        earlier = len(kept)
        for region in (r for r in labels.regions if r.box):
            same = next((i for i in range(earlier) if _over(region, kept[i])), None)
            if same is None:
                kept.append(region)
            elif not kept[same].name:
                kept[same] = replace(kept[same], name=region.name)
            elif region.name not in ("", kept[same].name):
                clash = clash or f"one face is {kept[same].name!r} and, in {labels.source}, {region.name!r}"
    return tuple(kept), clash


def _over(first: Region, second: Region) -> bool:
    return bool(first.box and second.box and first.box.overlap(second.box) > _SAME_FACE)


def file_name(subject: str) -> str:
    """A file name, without suffix, for anything that belongs to a subject.

    Safe on every file system, at most 49 characters, and different for different subjects even where case does not
    count. Short plain names stay as they are; the others get a part of their hash. The way back is in the key file.
    """
    text = unicodedata.normalize("NFC", subject)
    if _PLAIN.fullmatch(text) and not _HASHED.fullmatch(text) and not _RESERVED.fullmatch(text):
        return text
    readable = "".join(c if c.isalnum() else "_" for c in text)[:_LONGEST_FILE_NAME].strip("_")
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return unicodedata.normalize("NFC", f"{readable or 'subject'}-{digest}")
