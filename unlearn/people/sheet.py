"""A contact sheet: one HTML file with small pictures of each person's faces, made only where a user asks for it."""

import base64
import html
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unlearn import files
from unlearn.people.looking import Unseen, pixels
from unlearn.photos.labels.people_file import Entry, People, Person
from unlearn.photos.persons import Box
from unlearn.photos.rows import shown

MARK: Final = '<!DOCTYPE html><html lang="en"><meta name="generator" content="unlearn people">'
FACES_A_PERSON, FACES, SIDE = 16, 4000, 96
_AROUND = 0.3  # of the box's sides, on each side
_STYLE = (
    "body{font:15px/1.4 sans-serif;margin:2em}h2{margin:1.2em 0 .2em;font-size:1.1em}"
    "img{width:96px;height:96px;object-fit:cover;margin:2px}.doubt{outline:3px solid #d60}"
    ".warn{background:#fe9;padding:.6em;max-width:60em}"
)


def write(path: Path, people: People, root: Path, advance: Callable[[int], None] = lambda faces: None) -> None:
    """Write the sheet, readable by its owner only; photos are decoded again, each once.

    Raises:
        OutputError: it cannot be written.
    """
    chosen = [(person, _chosen(person, len(people.persons))) for person in people.persons]
    pictures = _pictures([face for _, faces in chosen for face in faces], root, advance)
    with files.output_errors(path):
        files.write_text(path, "\n".join(_page(chosen, pictures, len(people.unclear))) + "\n", mode=0o600)


def is_ours(path: Path) -> bool:
    """Whether a file is a contact sheet of ours, by its beginning."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MARK)) == MARK.encode()


def _chosen(person: Person, persons: int) -> list[Entry]:
    """A few faces a person, spread over the archive, doubtful ones at the end."""
    count = max(2, min(FACES_A_PERSON, FACES // persons))
    sure = [face for face in person.faces if not face.doubt]
    doubtful = [face for face in person.faces if face.doubt]
    share = min(len(doubtful), max(count // 3, count - len(sure)))
    return _spread(sure, count - share) + _spread(doubtful, share)


def _spread(faces: list[Entry], count: int) -> list[Entry]:
    return [faces[i * len(faces) // count] for i in range(count)] if count < len(faces) else faces


def _pictures(faces: list[Entry], root: Path, advance: Callable[[int], None]) -> dict[int, str]:
    """Data URIs by the identity of the face."""
    pictures: dict[int, str] = {}
    by_photo: dict[bytes, list[Entry]] = {}
    for face in faces:
        by_photo.setdefault(face.photo, []).append(face)
    for photo, here in by_photo.items():
        try:
            image = pixels(root, photo, follow_links=True)
            pictures |= {id(face): _uri(image, face.box) for face in here}
        except Unseen:
            pass  # it was there a moment ago; its place on the sheet stays empty
        advance(len(here))
    return pictures


def _uri(image: NDArray[np.uint8], box: Box) -> str:
    height, width = image.shape[:2]
    left, right = (round((box.x + share * box.w) * width) for share in (-_AROUND, 1 + _AROUND))
    top, bottom = (round((box.y + share * box.h) * height) for share in (-_AROUND, 1 + _AROUND))
    part = image[max(0, top) : max(1, bottom), max(0, left) : max(1, right)]
    small = Image.fromarray(part[..., 0] if part.shape[2] == 1 else part)
    small.thumbnail((2 * SIDE, 2 * SIDE))
    data = io.BytesIO()
    small.save(data, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()


def _page(chosen: list[tuple[Person, list[Entry]]], pictures: dict[int, str], unclear: int) -> Iterator[str]:
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    yield f'{MARK}<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield f"<title>Who is who</title><style>{_STYLE}</style><h1>Who is who</h1>"
    yield '<p class="warn">This page shows faces. Keep it to yourself, and delete it when everyone has a name.</p>'
    yield "<p>Framed faces are in doubt. Names are changed in people.yaml, not here.</p>"
    for person, faces in chosen:
        count = f"{person.photos} photos, {len(person.faces)} faces" + (f"; {person.note}" if person.note else "")
        yield f"<h2>{html.escape(person.name)}</h2><div>{html.escape(count)}</div>"
        yield from (_image(face, pictures[id(face)]) for face in faces if id(face) in pictures)
    yield f"<p>{unclear} faces of nobody in particular are not shown.</p></html>"


def _image(face: Entry, uri: str) -> str:
    title = html.escape(shown(face.photo), quote=True)
    return f'<img src="{uri}" alt="" title="{title}"{" class=doubt" if face.doubt else ""}>'
