"""The settings of a run over an archive."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from unlearn.photos.jobs import Choice, Cloak, Faceless, Finder, Held, Setup, Verified
from unlearn.photos.options import Sidecars
from unlearn.photos.pool import Limits
from unlearn.photos.writing import Writing

PATIENCE = 120.0
CLOAKING = 10  # times as much patience where the noise of every face is made anew
ADDRESS_SPACE = 8 << 30


@dataclass(frozen=True)
class Archive:
    """How an archive is written.

    keys: subject -> key of whole photos. face_keys: person -> keys of faces. cloak: makes noise for the faces of every
    photo. finder: of faces, None where none get noise. faceless: what happens to photos in which no face gets any:
    they carry the noise of whole photos if there is some (protect), are copied UNPROTECTED, or left out.
    threats: what keys and cloak protect against. limit: photos that are worked on in this run, None for all.
    memory: decoded bytes in flight. untrusted: bound the time and memory of each photo.
    check_hash: compare contents instead of size and time. prune: delete outputs whose originals are gone.
    moved: PHOTOS is the same archive as before at a new place.
    """

    photos: Path
    out: Path
    state: Path
    keys: dict[str, Held]
    face_keys: dict[str, tuple[Held, ...]] = field(default_factory=dict)
    finder: Finder | None = None
    cloak: Cloak | None = None
    faceless: Faceless = "protect"
    threats: tuple[str, ...] = ("training",)
    writing: Writing = Writing()
    verify: Verified = "all"
    unprotected: Choice = "skip"
    others: Choice = "skip"
    sidecars: Sidecars = "filter"
    workers: int | None = None
    memory: int = 1 << 30
    untrusted: bool = False
    fsync: bool = True
    follow_links: bool = False
    check_hash: bool = False
    prune: bool = False
    moved: bool = False
    limit: int | None = None

    @property
    def recipe(self) -> str:
        """What decides the bytes of an output besides original and key, as JSON."""
        faces = {"faces": {"detector": self.finder.about, "faceless": self.faceless}} if self.finder else {}
        return json.dumps(asdict(self.writing) | faces, sort_keys=True)

    @property
    def recipe_hash(self) -> bytes:
        """SHA-256 of `recipe`."""
        return hashlib.sha256(self.recipe.encode()).digest()

    def setup(self) -> Setup:
        """What worker processes are told."""
        return Setup(
            photos=os.fsencode(self.photos.resolve()),
            out=os.fsencode(self.out.resolve()),
            keys=self.keys,
            face_keys=self.face_keys,
            finder=self.finder,
            cloak=self.cloak,
            faceless=self.faceless,
            writing=self.writing,
            verify=self.verify,
            unprotected=self.unprotected,
            sidecars="copy" if self.sidecars == "copy" else "filter",
            fsync=self.fsync,
            follow_links=self.follow_links,
            address_space=ADDRESS_SPACE if self.untrusted else None,
        )

    def limits(self) -> Limits:
        """Of the worker processes."""
        patience = PATIENCE * (CLOAKING if self.cloak else 1)
        return Limits(self.workers or cores(), self.memory, patience if self.untrusted else None)


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
