"""Checks of the stored rows of one split, alone and against the clean data."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from unlearn import images
from unlearn.datasets import ImageDataset
from unlearn.errors import DataError
from unlearn.promise import Promise
from unlearn.release import png, twins
from unlearn.release.record import Release
from unlearn.release.stored import Finding, Identities, Row, path_problem


@dataclass
class SplitCheck:
    """Goes through the rows of a split once. `clean` is the same split before protection, or None.

    limits: bounds on the change of a sample (none at all for the test split).
    hidden, shown: places of rows by the clean image that was changed in them, or that they show.
    """

    release: Release
    split: str
    clean: ImageDataset | None
    limits: Promise
    labels: Counter[int] = field(default_factory=Counter)
    ids: Identities = field(default_factory=Identities)
    seen: set[str] = field(default_factory=set)
    last: int = -1
    rows: int = 0
    compared: int = 0
    changed: int = 0
    hidden: dict[bytes, str] = field(default_factory=dict)
    shown: dict[bytes, str] = field(default_factory=dict)

    def row(self, row: Row) -> Iterator[Finding]:
        """What is wrong with the next row."""
        self.rows += 1
        yield from (Finding(row.place, problem) for problem in self._problems(row))

    def _problems(self, row: Row) -> Iterator[str]:
        yield from self._label(row)
        yield from self._order(row)
        pixels = None
        if not isinstance(row.data, bytes) or not row.data:
            yield "image bytes are null"
        else:
            damage = list(png.problems(row.data, self.release.shape))
            yield from damage
            try:
                pixels = images.to_array(images.decode(row.data, "image"))
            except DataError as error:
                yield str(error)
        yield from self._id(row, pixels)
        if pixels is not None and self.clean is not None and row.number is not None:
            yield from self._compare(row, pixels, row.number)

    def _label(self, row: Row) -> Iterator[str]:
        if not isinstance(row.label, int) or isinstance(row.label, bool):
            yield f"label is {row.label!r:.40}, expected a whole number"
        elif not 0 <= row.label < len(self.release.classes):
            yield f"label {row.label} is out of range 0..{len(self.release.classes) - 1}"
        else:
            self.labels[row.label] += 1

    def _order(self, row: Row) -> Iterator[str]:
        problem = path_problem(row.path)
        if problem or row.number is None:
            yield problem or "path is missing"
        elif row.number <= self.last:
            yield f"{row.path} comes after {self.last:06d}.png"
        else:
            self.last = row.number

    def _id(self, row: Row, pixels: images.Pixels | None) -> Iterator[str]:
        expected = self.ids.of(pixels) if pixels is not None else row.id
        if not isinstance(row.id, str) or not row.id:
            yield "id is missing"
        elif row.id in self.seen:
            yield f"id {row.id[:40]} is not unique"
        elif row.id != expected:
            yield f"id {row.id[:40]} was not made from these pixels"
        self.seen.add(str(row.id))

    def _compare(self, row: Row, pixels: images.Pixels, number: int) -> Iterator[str]:
        assert self.clean is not None
        if number >= len(self.clean):
            yield "there is no such clean sample"
            return
        source, label = self.clean.images[number], int(self.clean.labels[number])
        self.compared += 1
        if row.label != label:
            yield f"label {row.label!r:.40}, the clean sample has {label}"
        if pixels.shape != source.shape:
            yield f"image of shape {pixels.shape}, the clean sample has {source.shape}"
            return
        yield from self.limits.broken(source, pixels)
        changed = not np.array_equal(source, pixels)
        self.changed += changed
        (self.hidden if changed else self.shown)[twins.digest(source)] = row.place
        if not changed and self.split == "train" and self.release.protected_share == 1.0:
            yield "clean copy"

    def totals(self) -> Iterator[Finding]:
        """What is wrong with the split as a whole, after its last row."""
        declared = self.release.splits[self.split]
        if self.rows != declared.samples:
            yield Finding(self.split, f"{self.rows} samples, release.json says {declared.samples}")
        for label, expected in enumerate(declared.per_class):
            if self.labels[label] != expected:
                yield Finding(self.split, f"{self.labels[label]} of label {label}, release.json says {expected}")
        if self.clean is not None:
            yield from self._clean_totals(self.clean)

    def _clean_totals(self, clean: ImageDataset) -> Iterator[Finding]:
        if self.rows != len(clean):
            yield Finding(self.split, f"{self.rows} samples, the clean data have {len(clean)}")
        if tuple(clean.names) != self.release.classes:
            yield Finding(self.split, "class names differ from those of the clean data")
        share = self.release.protected_share
        said = round(share * self.rows)
        whole = self.split == "train" and share < 1.0 and self.compared == self.rows
        if whole and self.changed != said:
            yield Finding("train", f"{self.changed} of {self.rows} samples are changed, release.json says {said}")


def limits(release: Release, split: str) -> Promise:
    """The change that a sample of this split may show: the measured budget, or nothing for test images."""
    if split != "train":
        return Promise(0)
    return replace(release.limits, levels=min(release.measured.max_levels, release.limits.levels))
