"""What a worker process is told: the settings of the run once, and one job a file."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from unlearn.photos.rows import Row
from unlearn.photos.writing import Writing

Action = Literal["protect", "sidecar", "copy", "verify"]
Verified = Literal["none", "sample", "all"]
Choice = Literal["skip", "copy"]


@dataclass(frozen=True)
class Setup:
    """The same for all jobs of a run.

    photos, out: the two folders, as bytes. keys: subject -> (key file, key id). unprotected: what happens to photos
    that can't be protected. verify: which written photos are decoded again and measured.
    address_space: bytes a worker may use in all, for untrusted files; None for no limit.
    """

    photos: bytes
    out: bytes
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)
    writing: Writing = Writing()
    verify: Verified = "all"
    unprotected: Choice = "skip"
    sidecars: Literal["filter", "copy"] = "filter"
    fsync: bool = True
    follow_links: bool = False
    address_space: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One file. twin: the row of a protected file that may be its equal; if it is, its output is used again.

    For `verify` it is the row that the file is held against.
    """

    path: bytes
    out: bytes
    action: Action = "protect"
    subject: str = ""
    format: str = ""
    reason: str = ""
    twin: Row | None = None


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
