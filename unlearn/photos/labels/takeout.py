"""Persons that Google Photos named, in the `.json` files of a Takeout archive; names only, no boxes."""

import json
import re
from collections.abc import Callable, Iterator

from unlearn.photos import persons
from unlearn.photos.persons import Labels, Region

SOURCE = "takeout"
_LONGEST = 46  # characters of a name before `.json`: Takeout cuts longer ones
_SUFFIX = b".supplemental-metadata"
_NUMBERED = re.compile(rb"(.*)(\(\d+\))(\.[^.]*)", re.DOTALL)
_MOST_BYTES = 2_000_000


def read(path: bytes, reader: Callable[[bytes], bytes | None]) -> Labels:
    """The names beside one photo; `reader` gives a file's content by its path relative to the archive, or None."""
    folder, slash, name = path.rpartition(b"/")
    for candidate in dict.fromkeys(_candidates(name)):
        data = reader(folder + slash + candidate)
        if data is not None:
            return _names(data)
    return Labels(SOURCE)


def _candidates(name: bytes) -> Iterator[bytes]:
    """`x.jpg.json` and what Takeout made of it: cut off, renumbered, or that of the photo before editing."""
    stem, dot, suffix = name.rpartition(b".")
    for photo in (name, stem.removesuffix(b"-edited") + dot + suffix):
        for extra in (_SUFFIX, b""):
            yield (photo + extra)[:_LONGEST] + b".json"
            if match := _NUMBERED.fullmatch(photo):
                before, number, ending = match.groups()
                yield (before + ending + extra)[:_LONGEST] + number + b".json"


def _names(data: bytes) -> Labels:
    try:
        content = json.loads(data) if len(data) <= _MOST_BYTES else None
    except (ValueError, RecursionError):
        return Labels(SOURCE, notes=("its Takeout description is not readable",))
    people = content.get("people") if isinstance(content, dict) else None
    rows = people if isinstance(people, list) else []
    texts = [row.get("name") for row in rows if isinstance(row, dict)]
    names = dict.fromkeys(persons.name(text) for text in texts if isinstance(text, str))
    return Labels(SOURCE, tuple(Region(name, None, SOURCE) for name in names if name))
