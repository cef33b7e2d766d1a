"""Which noise a photo carries: a key over the whole of it, keys for its faces, and what the manifest notes of them."""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from unlearn.photos import keys
from unlearn.photos.jobs import Cloak, Finder, Held, Setup
from unlearn.photos.keys import Key, KeyFileError
from unlearn.photos.persons import Named

KEYS_HELD = 32  # photos of one subject mostly come together; a group photo has several


class Keyed(Protocol):
    """Where keys are looked up: the settings of a run, or what a worker was told."""

    @property
    def keys(self) -> dict[str, Held]: ...

    @property
    def face_keys(self) -> dict[str, tuple[Held, ...]]: ...

    @property
    def finder(self) -> Finder | None: ...

    @property
    def cloak(self) -> Cloak | None: ...


@dataclass(frozen=True)
class Carried:
    """The noise of one photo.

    photo: stretched over the whole of it. faces: keys by the name of a face; those under "" are for the other faces.
    named: faces with a name. mark: keys and labels that decide the photo's bytes, as the manifest keeps it.
    """

    photo: Key | None
    faces: Mapping[str, tuple[Key, ...]] = field(default_factory=dict)
    named: tuple[Named, ...] = ()
    mark: str = ""

    def of_face(self, name: str) -> tuple[Key, ...]:
        """The keys of a person's face, or those of the photo's subject."""
        return self.faces.get(name) or self.faces.get("", ())


def mark(subject: str, named: Sequence[Named], known: Keyed) -> str:
    """Ids of all keys that a photo may carry; where faces have names, also a digest of whose is where."""
    ids = [known.keys[subject][1]] if subject in known.keys else []
    if known.finder is None:
        return "+".join(ids)
    mine = [key_id for _, key_id in known.face_keys.get(subject, ())]
    others = [(_ids(known.face_keys.get(each.name, ())), each.box) for each in named if known.face_keys]
    ids += mine + [key_id for theirs, _ in others for key_id in theirs] + ([known.cloak.id] if known.cloak else [])
    places = hashlib.sha256(repr(others).encode()).hexdigest()[:8] if others else ""
    return "+".join(dict.fromkeys(ids)) + (f":{places}" if places else "")


def _ids(held: Sequence[Held]) -> tuple[str, ...]:
    return tuple(key_id for _, key_id in held)


def loaded(subject: str, named: Sequence[Named], setup: Setup) -> Carried:
    """The keys for a photo of a subject.

    Raises:
        KeyFileError: one that cannot be read, or that is not what it was when the run began.
    """
    photo = _load(setup.keys[subject]) if subject in setup.keys else None
    if setup.finder is None:
        return Carried(photo, mark=mark(subject, (), setup))
    wanted = {"": setup.face_keys.get(subject, ())}
    wanted |= {each.name: setup.face_keys.get(each.name, ()) for each in named}
    faces = {name: tuple(_load(held) for held in several) for name, several in wanted.items()}
    return Carried(photo, faces, tuple(named), mark(subject, named, setup))


def _load(held: Held) -> Key:
    path, expected = held
    key = _from_file(path)
    if key.id != expected:
        raise KeyFileError(f"{path}: was replaced during the run; start again")
    return key


@functools.lru_cache(maxsize=KEYS_HELD)
def _from_file(path: str) -> Key:
    return keys.load(Path(path))
