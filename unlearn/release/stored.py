"""A release by the row, whatever the format: what is stored for a sample, and what can be wrong with it."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from unlearn import images
from unlearn.datasets import ImageDataset

SPLITS = ("train", "test")
_NAME = re.compile(r"[0-9]{6,12}\.png")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a release, and where."""

    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


@dataclass(frozen=True)
class Row:
    """One stored sample as a format reads it: nothing about these values is checked yet."""

    place: str
    data: Any
    path: Any
    label: Any
    id: Any

    @property
    def number(self) -> int | None:
        """The sample's position in its split, which is its file's name; None for a foreign name."""
        return int(self.path[:-4]) if isinstance(self.path, str) and _NAME.fullmatch(self.path) else None


class Identities:
    """Ids of samples: 32 hexadecimal digits of the SHA-256 of shape and pixels, and a count for duplicates.

    They are computed from the released pixels only. An id made from the clean pixels would be an oracle:
    whoever holds the originals could match them with the protected samples and collect pairs.
    """

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def of(self, pixels: images.Pixels) -> str:
        """The id of the next sample, uint8 of shape (C, H, W)."""
        digest = hashlib.sha256(f"{pixels.shape}\0".encode() + pixels.tobytes()).hexdigest()[:32]
        self._seen[digest] += 1
        return digest if self._seen[digest] == 1 else f"{digest}-{self._seen[digest]}"


def rows(data: ImageDataset) -> Iterator[Row]:
    """The samples of a split in its order, encoded as PNG one by one."""
    ids = Identities()
    for number, (pixels, label) in enumerate(zip(data.images, data.labels, strict=True)):
        name = f"{number:06d}.png"
        yield Row(f"{data.split} {name}", images.png(pixels), name, int(label), ids.of(pixels))


def path_problem(path: Any) -> str | None:
    """What is wrong with the file name of an image, or None for a name such as 000123.png."""
    if not isinstance(path, str) or not path:
        return "path is missing"
    if path.startswith(("/", "\\", "~")):
        return "path is absolute"
    if re.match(r"[A-Za-z]:", path):
        return "path has a drive letter"
    if ".." in re.split(r"[/\\]", path):
        return "path leaves its folder (..)"
    return None if _NAME.fullmatch(path) else f"path is {path[:80]!r}, expected a name such as 000123.png"
