"""Scanning an archive: walk, find and embed faces, group them, and write people.yaml.

A killed scan goes on from its state folder, and ends with the same bytes as one that was not.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from unlearn.errors import Interrupted, OutputError
from unlearn.faces.face import Face
from unlearn.people import forgetting, grouping, linkage, sheet, state, writing
from unlearn.people.grouping import Found
from unlearn.people.linkage import Vectors
from unlearn.people.looking import Names, Unseen, pixels
from unlearn.people.state import Seen, State
from unlearn.people.vision import Vision
from unlearn.photos import persons
from unlearn.photos import survey as surveys
from unlearn.photos.display import Display, Quiet
from unlearn.photos.labels.people_file import People, is_people
from unlearn.photos.survey import Item
from unlearn.photos.walking import InputMissing, Rules
from unlearn.signals import StopRequest

NOBODY = "none"


@dataclass(frozen=True)
class Options:
    """What a user may choose.

    threshold: mean cosine at which two groups are one person, by default the recogniser's. min_photos: groups without
    a name in fewer photos are no person. names_from: auto, none, folders, or a CSV or people file, as for `protect`.
    sheet: where a contact sheet is wanted. keep_state: keep the embeddings, so that the next scan is quicker.
    """

    threshold: float | None = None
    min_photos: int = 2
    names_from: str = "auto"
    rules: Rules = Rules()
    sheet: Path | None = None
    keep_state: bool = False


@dataclass
class Report:
    """What a scan found, in numbers. unseen: photos that could not be looked at, by reason."""

    photos: int = 0
    faces: int = 0
    persons: int = 0
    named: int = 0
    doubts: int = 0
    unclear: int = 0
    unseen: Counter[str] = field(default_factory=Counter)

    @property
    def exit_code(self) -> int:
        """1 if some photos could not be looked at."""
        return int(bool(self.unseen))


def scan(
    photos: Path,
    out: Path,
    vision: Vision,
    options: Options = Options(),
    display: Display = Quiet(),
    stop: StopRequest | None = None,
) -> Report:
    """Find out who is who, and write `out`.

    Raises:
        InputMissing: no folder, or no photo in it. OutputError: `out` exists or cannot be written.
        DataError: names are to come from a file that cannot be read.
        Interrupted: a stop was asked for; the same call goes on.
    """
    heed = _heeding(stop or StopRequest())
    _check(photos, out, options)
    names = None if options.names_from == NOBODY else Names(photos, options.names_from, options.rules.follow_links)
    with display.task("looking at files", 0) as advance:
        found = surveys.survey(photos, options.rules, None, lambda files: heed(advance(files)))
    items = list(found.photos())
    if not items:
        raise InputMissing(f"{photos}: no photos in it")
    report = Report(len(items), unseen=Counter(i.reason for i in found.items if i.task == "failed"))
    with state.opened(state.folder_of(out)) as kept:
        kept.made_for({"photos": os.fsencode(photos.resolve()), "networks": vision.made_by.encode()})
        _look(photos, items, vision, options, kept, report, display, heed)
        people = _people(items, kept, names, vision, options, display, heed)
    _sheet(people, photos, options, display)
    writing.write(out, people)  # last, because a scan that finds it there is not begun again
    if not options.keep_state:
        forgetting.forget_state(state.folder_of(out))
    _count(people, report)
    display.log("people", **{**asdict(report), "unseen": report.unseen.total()})
    return report


def _heeding(stop: StopRequest) -> Callable[[object], None]:
    def heed(done: object) -> None:
        if stop.requested:
            raise Interrupted("interrupted; the same command goes on, `unlearn people forget` deletes what was found")

    return heed


def _check(photos: Path, out: Path, options: Options) -> None:
    if not photos.is_dir():
        raise InputMissing(f"{photos}: {'is no folder' if photos.exists() else 'does not exist'}")
    if not is_people(out.name):
        raise OutputError(f"{out}: should end in .yaml")
    if out.exists() or out.is_symlink():
        raise OutputError(f"{out}: exists; name another --out, and `--names-from {out}` takes its names over")
    if options.sheet and (options.sheet.exists() or options.sheet.is_symlink()) and not sheet.is_ours(options.sheet):
        raise OutputError(f"{options.sheet}: exists and is no contact sheet; name another --contact-sheet")
    for path in (out, options.sheet) if options.sheet else (out,):
        if not path.parent.is_dir():
            raise OutputError(f"{path.parent}: is no folder")
        if photos.resolve() in path.resolve().parents:
            raise OutputError(f"{path}: lies inside PHOTOS ({photos}), where nothing is written; name another place")


def _look(
    root: Path,
    items: list[Item],
    vision: Vision,
    options: Options,
    kept: State,
    report: Report,
    display: Display,
    heed: Callable[[object], None],
) -> None:
    """Find the faces of every photo that the state does not know."""
    with display.task("looking for faces", len(items)) as advance:
        for item in items:
            reason = kept.reason(item.path, item.size, item.mtime_ns)
            if reason is None:
                heed(None)
                seen, reason = _seen(root, item, vision, options.rules.follow_links)
                kept.put(item.path, item.size, item.mtime_ns, seen, reason)
            if reason:
                report.unseen[reason] += 1
            advance(1)
    kept.commit()


def _seen(root: Path, item: Item, vision: Vision, follow_links: bool) -> tuple[tuple[Seen, ...], str]:
    """A photo's faces, or none and why it could not be looked at."""
    try:
        image = pixels(root, item.path, follow_links)
    except Unseen as error:
        return (), str(error)
    placed = [(face, box) for face in vision.find(image) if (box := _box(face, image.shape))]
    if not placed:
        return (), ""
    features = vision.embed(image, [face for face, _ in placed])
    return tuple(
        Seen(box, min(1.0, max(0.0, face.score)), feature)
        for (face, box), feature in zip(placed, features, strict=True)
        if np.isfinite(feature).all()
    ), ""


def _box(face: Face, shape: tuple[int, ...]) -> persons.Box | None:
    left, top, right, bottom = face.box
    height, width = shape[:2]
    return persons.box((left + 0.5) / width, (top + 0.5) / height, (right - left) / width, (bottom - top) / height)


def _people(
    items: list[Item],
    kept: State,
    names: Names | None,
    vision: Vision,
    options: Options,
    display: Display,
    heed: Callable[[object], None],
) -> People:
    found: list[Found] = []
    features: list[Vectors] = []
    for item, seen in _with_faces(items, kept):
        heed(None)
        named = names.of(item.path, [face.box for face in seen]) if names else [""] * len(seen)
        found += [Found(item.path, face.box, face.score, name) for face, name in zip(seen, named, strict=True)]
        features += [face.embedding for face in seen]
    threshold = vision.threshold if options.threshold is None else options.threshold
    matrix = np.stack(features) if features else np.zeros((0, 1), dtype=np.float32)
    del features
    with display.task("grouping faces", len(found)) as advance:
        groups = linkage.groups(matrix, threshold, lambda done: heed(advance(done)))
    return grouping.people(found, matrix, groups, threshold, options.min_photos)


def _with_faces(items: list[Item], kept: State) -> Iterator[tuple[Item, list[Seen]]]:
    for item in items:
        seen = list(kept.faces(item.path))
        if seen:
            yield item, seen


def _sheet(people: People, photos: Path, options: Options, display: Display) -> None:
    if options.sheet:
        with display.task("contact sheet", sum(len(person.faces) for person in people.persons)) as advance:
            sheet.write(options.sheet, people, photos, advance)


def _count(people: People, report: Report) -> None:
    faces = [face for person in people.persons for face in person.faces]
    report.faces, report.unclear = len(faces) + len(people.unclear), len(people.unclear)
    report.persons, report.doubts = len(people.persons), sum(face.doubt for face in faces)
    report.named = sum(not person.name.startswith("person ") for person in people.persons)
