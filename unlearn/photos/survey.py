"""What there is in a folder of photos: every file with its kind, whose it is, and what is to be done with it."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from unlearn.photos import originals, protecting, sniffing, subjects, walking
from unlearn.photos.peeking import peek
from unlearn.photos.persons import Named
from unlearn.photos.picture import LeftOut
from unlearn.photos.rows import shown
from unlearn.photos.subjects import EVERYONE, Labeler
from unlearn.photos.walking import Found, Rules, Skipped

LARGEST_LABEL_FILE = 4_000_000
REMEMBERED = 1000  # conflicts and notes that are named
Task = Literal["protect", "sidecar", "other", "failed"]
_NUMBERED = re.compile(rb"(.*)(\.[^.]+)(\(\d+\))", re.DOTALL)


@dataclass(slots=True)
class Item:
    """One file. task: what is to be done. photo: for a sidecar, the photo that it belongs to.

    named: faces of which labels say whose they are.
    """

    path: bytes
    size: int
    mtime_ns: int
    inode: tuple[int, int]
    format: str
    task: Task
    reason: str = ""
    subject: str = ""
    photo: bytes = b""
    named: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True)
class Shot:
    """A photo that a person is in. named: the faces that labels name, the person's own among them or not."""

    path: Path
    named: tuple[Named, ...] = ()


@dataclass
class Survey:
    """All files in the order of their paths, what was not walked, and what labels leave open.

    About a third of a kilobyte a file is held in memory.
    """

    root: Path
    items: list[Item] = field(default_factory=list)
    skipped: Skipped = field(default_factory=Skipped)
    conflicts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    doubts: Counter[str] = field(default_factory=Counter)

    def photos(self) -> Iterator[Item]:
        """The files that are to be protected."""
        return (item for item in self.items if item.task == "protect")

    def subjects(self) -> dict[str, list[Path]]:
        """Subjects, sorted by name, with their photos."""
        found: dict[str, list[Path]] = {}
        for item in self.photos():
            found.setdefault(item.subject, []).append(self.root / os.fsdecode(item.path))
        return dict(sorted(found.items()))

    def people(self) -> dict[str, list[Shot]]:
        """Subjects and all persons whose faces labels name, sorted by name, with the photos that they are in."""
        found: dict[str, list[Shot]] = {}
        for item in self.photos():
            shot = Shot(self.root / os.fsdecode(item.path), item.named)
            for name in dict.fromkeys([item.subject, *(each.name for each in item.named)]):
                found.setdefault(name, []).append(shot)
        return dict(sorted(found.items()))


def survey(
    root: Path,
    rules: Rules = Rules(),
    people: str | None = subjects.AUTO,
    advance: Callable[[int], None] = lambda files: None,
) -> Survey:
    """Walk a folder and look at the beginning of every file.

    Args:
        people: whose photo it is, as for `subjects.Labeler`; None looks for no labels.

    Raises:
        InputMissing, LibraryFound: as `walking.walk`. DataError: a table of people that cannot be read.
    """
    found = Survey(root)
    base = os.fsencode(root)
    labeler = Labeler(people, _reader(base)) if people is not None else None
    for file in walking.walk(root, rules, found.skipped):
        found.items.append(_item(file, base, rules, labeler, found))
        advance(1)
    if labeler:
        found.notes += [f"table of people: {line}" for line in labeler.unmet()[:REMEMBERED]]
    _join_companions(found.items)
    return found


def _reader(base: bytes) -> Callable[[bytes], bytes | None]:
    def read(path: bytes) -> bytes | None:
        try:
            full = os.path.join(base, path)
            if os.stat(full).st_size > LARGEST_LABEL_FILE:
                return None
            return originals.read(full).data
        except (OSError, LeftOut):
            return None

    return read


def _item(file: Found, base: bytes, rules: Rules, labeler: Labeler | None, found: Survey) -> Item:
    item = Item(file.path, file.size, file.mtime_ns, (file.device, file.inode), "other", "other")
    try:
        seen = peek(os.path.join(base, file.path), labeler is not None, rules.follow_links)
    except OSError as error:
        item.task, item.reason = "failed", protecting.reason_of(error)
        # An unreadable photo is a failure, whatever it holds; its name is all there is to go by.
        item.format = sniffing.kind(b"", file.path).format
        return item
    item.format, item.reason = seen.kind.format, seen.kind.reason
    if seen.kind.format == "sidecar":
        item.task = "sidecar"
    elif seen.kind.photo:
        item.task, item.subject = "protect", EVERYONE
        if labeler:
            subject = labeler.subject(file.path, seen.xmp, seen.view)
            item.subject, item.named = subject.name, subject.named()
            _remember(found, file.path, subject)
    return item


def _remember(found: Survey, path: bytes, subject: subjects.Subject) -> None:
    found.doubts["photos with several persons"] += bool(subject.also)
    found.doubts["photos whose labels disagree"] += bool(subject.conflict)
    if subject.conflict and len(found.conflicts) < REMEMBERED:
        found.conflicts.append(f"{shown(path)}: {subject.conflict}")
    for note in subject.notes:
        if len(found.notes) < REMEMBERED:
            found.notes.append(f"{shown(path)}: {note}")


def _join_companions(items: list[Item]) -> None:
    """Name the photos beside sidecars, RAW files and videos of the same name."""
    companions = [item for item in items if item.task in ("sidecar", "other")]
    photos: dict[bytes, bytes] = {key: b"" for item in companions for key in _keys_of(item)}
    for item in items:
        if item.task == "protect":
            for key in _names(item.path):
                if photos.get(key) == b"":
                    photos[key] = item.path
    for item in companions:
        photo = next((photos[key] for key in _keys_of(item) if photos[key]), b"")
        _join(item, photo)


def _join(item: Item, photo: bytes) -> None:
    if item.task == "sidecar":
        item.photo = photo
        if not photo:
            item.task, item.reason = "other", "sidecar without its photo"
    elif photo and item.format in sniffing.RAW:
        item.reason = f"RAW twin of {shown(os.path.basename(photo))}: holds clean previews and is never rewritten"
    elif photo and item.format in sniffing.VIDEO:
        item.reason = f"Live Photo video of {shown(os.path.basename(photo))}: holds clean frames"


def _names(path: bytes) -> tuple[bytes, bytes]:
    lower = path.lower()
    folder, slash, name = lower.rpartition(b"/")
    return lower, folder + slash + (name.rpartition(b".")[0] or name)


def _keys_of(item: Item) -> list[bytes]:
    """Names that the photo may have, the likeliest first: x.jpg.xmp belongs to x.jpg, or else to any x."""
    _, stem = _names(item.path)
    if item.task != "sidecar":
        return [stem] if item.format in (*sniffing.RAW, *sniffing.VIDEO) else []
    keys = []
    numbered = _NUMBERED.fullmatch(stem)  # Takeout: IMG_1.jpg(2).json belongs to IMG_1(2).jpg
    if numbered:
        keys.append(numbered[1] + numbered[3] + numbered[2])
    floor = stem.rfind(b"/") + 1
    while len(stem) > floor:
        keys.append(stem)
        at = stem.rfind(b".", floor)
        stem = stem[:at] if at > floor else b""
    return keys
