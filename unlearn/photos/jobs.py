"""What a worker process is told: the settings of the run once, and one job a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from unlearn.photos.writing import Writing

if TYPE_CHECKING:  # `unlearn --help` reads this file through the options, and starts without numpy
    import numpy as np
    from numpy.typing import NDArray

    from unlearn.faces.face import Face
    from unlearn.photos.persons import Named
    from unlearn.photos.rows import Row

Action = Literal["protect", "sidecar", "copy", "verify"]
Verified = Literal["none", "sample", "all"]
Choice = Literal["skip", "copy"]
Faceless = Literal["protect", "copy", "skip"]
Held = tuple[str, str]  # key file, key id


class Finder(Protocol):
    """Finds faces; picklable, because every worker process gets one. about: what decides its results."""

    @property
    def about(self) -> str: ...

    def __call__(self, image: NDArray[np.uint8]) -> tuple[Face, ...]:
        """Faces of an upright photo (H, W, 1 or 3), the largest first."""
        ...


class Cloak(Protocol):
    """Makes noise for the faces of one photo; picklable. id: of its recipe and secret. epsilon: budget in [0, 1]."""

    @property
    def id(self) -> str: ...

    @property
    def epsilon(self) -> float: ...

    def __call__(self, image: NDArray[np.uint8], faces: Sequence[Face], pixels: bytes) -> NDArray[np.int16]:
        """Noise (F, 3, S, S) on the faces' canvases, in 1/FINE of a level; the same for the same pixel hash.

        Args:
            image: the upright photo (H, W, 1 or 3).
        """
        ...


@dataclass(frozen=True)
class Setup:
    """The same for all jobs of a run.

    photos, out: the two folders, as bytes. keys: subject -> key of whole photos. face_keys: person -> keys of faces.
    finder: of faces, None where no noise belongs to them. cloak: makes noise for every photo's faces, besides the keys.
    faceless: what happens to photos in which no face gets noise. unprotected: what happens to photos that can't be
    protected. verify: which written photos are decoded again and measured.
    address_space: bytes a worker may use in all, for untrusted files; None for no limit.
    """

    photos: bytes
    out: bytes
    keys: dict[str, Held] = field(default_factory=dict)
    face_keys: dict[str, tuple[Held, ...]] = field(default_factory=dict)
    finder: Finder | None = None
    cloak: Cloak | None = None
    faceless: Faceless = "protect"
    writing: Writing = Writing()
    verify: Verified = "all"
    unprotected: Choice = "skip"
    sidecars: Literal["filter", "copy"] = "filter"
    fsync: bool = True
    follow_links: bool = False
    address_space: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One file. named: faces of which the labels say whose they are, where that matters.

    twin: the row of a protected file that may be its equal; if it is, its output is used again.
    For `verify` it is the row that the file is held against.
    """

    path: bytes
    out: bytes
    action: Action = "protect"
    subject: str = ""
    format: str = ""
    reason: str = ""
    twin: Row | None = None
    named: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job. stop: the disk is full, and nothing more can be written."""

    row: Row
    seconds: float = 0.0
    stop: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """What a worker asks before it decodes: room for so many bytes, and whether the file is one that we wrote."""

    memory: int
    sha256: bytes


Ask = Callable[[Need], bool]
