"""What a user may choose about an archive. Imports next to nothing, so that `unlearn --help` stays quick."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unlearn.photos.jobs import Choice, Faceless, Verified
from unlearn.photos.writing import Writing

Intensity = Literal["low", "mid", "high"]
Against = Literal["auto", "training", "matching", "both"]
Sidecars = Literal["filter", "copy", "skip"]


@dataclass(frozen=True)
class Options:
    """What a user may choose; the defaults need no thought.

    people: auto, folders, or the path of a CSV table. keys: key files; one protects everything, several protect their
    subjects. against: what keys are crafted for; auto is both where the packages for faces are installed, else
    training, and where keys are given, whatever they are for. intensity: of keys that have to be crafted. recipe: how
    they are crafted, by default photos/INTENSITY and faces/INTENSITY. face_model: the detector, mtcnn or dlib, or the
    path of a YuNet .onnx file.
    state: folder of the manifest, by default OUT/.unlearn. memory: bytes of decoded photos in flight.
    device: for crafting, auto or cpu.
    The others are explained at `photos.settings.Archive` and `photos.walking.Rules`.
    """

    people: str = "auto"
    against: Against = "auto"
    intensity: Intensity = "mid"
    recipe: str | None = None
    face_model: str = "mtcnn"
    faceless: Faceless = "protect"
    keys: tuple[Path, ...] = ()
    writing: Writing = Writing()
    verify_written: Verified = "all"
    limit: int | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    follow_links: bool = False
    sidecars: Sidecars = "filter"
    unprotected: Choice = "skip"
    others: Choice = "skip"
    workers: int | None = None
    memory: int = 1 << 30
    untrusted: bool = False
    check_hash: bool = False
    prune: bool = False
    moved: bool = False
    fsync: bool = True
    state: Path | None = None
    device: str = "auto"
