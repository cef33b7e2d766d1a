"""people.yaml as text: one line a face, in an order that does not depend on how the scan went."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

from unlearn import files
from unlearn.photos.labels.people_file import SCHEMA, Entry, People
from unlearn.photos.rows import shown

HEAD = f"""\
# Who is who, as `unlearn people scan` guessed it. Look through it, change it, then:
#   unlearn protect PHOTOS OUT --people THIS_FILE
#
# rename   write another name
# merge    give two persons the same name
# move     cut a face's line and paste it below another person
# drop     delete a person or a face, or write `name: ignore`; its photos are then protected as those of nobody
# doubt    true where the guess is weak: look at these first
#
# box: left, top, width, height in shares of the upright photo. photos and score are only for reading.
# This file holds names and boxes and no measurements of faces. It is private all the same.
schema: {SCHEMA}
"""


def write(path: Path, people: People) -> None:
    """Write the file whole or not at all, readable by its owner only.

    Raises:
        OutputError: it cannot be written.
    """
    with files.output_errors(path):
        files.write_text(path, "".join(text(people)), mode=0o600)


def text(people: People) -> Iterator[str]:
    """The file, line by line."""
    yield HEAD
    yield "persons:\n" if people.persons else "persons: []\n"
    for person in people.persons:
        yield f"- name: {quoted(person.name)}\n  photos: {person.photos}\n"
        yield f"  note: {quoted(person.note)}\n" if person.note else ""
        yield "  faces:\n"
        yield from (f"  - {_face(face)}\n" for face in person.faces)
    yield "unclear:\n" if people.unclear else "unclear: []\n"
    yield from (f"- {_face(face)}\n" for face in people.unclear)


def quoted(value: str) -> str:
    """A double-quoted scalar; whatever does not print is escaped, as YAML asks."""
    return "".join(c if c.isprintable() else _escape(c) for c in json.dumps(value, ensure_ascii=False))


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _face(face: Entry) -> str:
    try:
        photo = f"photo: {quoted(face.photo.decode())}"
    except UnicodeDecodeError:
        encoded = base64.b64encode(face.photo).decode()
        photo = f'photo: {quoted(shown(face.photo))}, photo_b64: "{encoded}"'
    box = ", ".join(f"{value:.5f}" for value in (face.box.x, face.box.y, face.box.w, face.box.h))
    return f"{{{photo}, box: [{box}], score: {face.score:.3f}, doubt: {str(face.doubt).lower()}}}"
