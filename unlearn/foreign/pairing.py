"""Which foreign image belongs to which clean one: by name, by number or by order, and whether that can be true."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlearn.datasets import ImageDataset, Records
from unlearn.errors import DataError
from unlearn.images import Pixels
from unlearn.sources import _places

COMPARED = 500
NEARER = 0.75  # share of the images that must be nearer to their own original than to another of the class
_NUMBER = re.compile(r"(\d+)$", re.ASCII)
Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Pairing:
    """Positions (N,) of the foreign records' partners among the clean samples, and how they were found."""

    places: Positions
    how: str


def labels(found: Records, names: Sequence[str], place: str) -> Positions:
    """Labels (N,) in the clean data's numbering: by class name, or by number where classes are numbered.

    Raises:
        DataError: classes that the clean data do not have.
    """
    theirs, given = list(found.names), np.asarray(found.labels, dtype=np.int64)
    used = [theirs[label] for label in np.unique(given)]
    named = set(used) <= set(names)
    strange = [name for name in used if not named and not _is_number(name, len(names))]
    if strange:
        first = _places.shown(strange[0])[:80]
        raise DataError(f'{place}: has a class "{first}", the clean data have {", ".join(names)}'[:400])
    numbers = {name: names.index(name) if named else int(name) for name in used}
    return np.array([numbers.get(name, -1) for name in theirs], dtype=np.int64)[given]


def _is_number(name: str, classes: int) -> bool:
    return name.isascii() and name.isdecimal() and len(name) < 9 and int(name) < classes


def pair(found: Records, theirs: Positions, clean: ImageDataset, names: Sequence[str] | None, place: str) -> Pairing:
    """Find partners, and check that their labels agree.

    Args:
        theirs: labels of the records, of `labels`.
        names: file names of the clean samples without folder and suffix, where they have any.

    Raises:
        DataError: another number of samples, or a label that differs from the partner's.
    """
    if len(theirs) != len(clean):
        raise DataError(f"{place}: {len(theirs):,} images, the clean data have {len(clean):,}; samples can't be paired")
    chosen = _chosen(found, theirs, clean, names)
    wrong = np.flatnonzero(theirs != clean.labels[chosen.places])
    if len(wrong):
        first = int(wrong[0])
        mine, other = (clean.names[label] for label in (clean.labels[chosen.places[first]], theirs[first]))
        raise DataError(
            f"{found.where[first]}: label {other}, its clean original has {mine}"
            f" ({len(wrong):,} of {len(clean):,} labels differ; paired {chosen.how})"
        )
    return chosen


def _chosen(found: Records, theirs: Positions, clean: ImageDataset, names: Sequence[str] | None) -> Pairing:
    order = Pairing(np.arange(len(clean)), "by order")
    files = file_names(found)
    if files is None:
        return order
    if names is not None and (by_name := _by_name(files, theirs, names, clean.labels)) is not None:
        return Pairing(by_name, "by file name")
    numbers = _numbers(files)
    if numbers is not None and sorted(numbers) in (list(range(len(files))), list(range(1, len(files) + 1))):
        return Pairing(np.array(numbers, dtype=np.int64) - min(numbers), "by the numbers in file names")
    same_counts = np.array_equal(np.bincount(theirs, minlength=clean.classes), clean.counts())
    if (theirs == clean.labels).all() or not same_counts:
        return order
    return Pairing(_within_classes(numbers, theirs, clean.labels), "by order within each class")


def file_names(found: Records) -> list[str] | None:
    """Names without folder and suffix, where all pictures are files."""
    paths = [picture for picture in found.pictures if isinstance(picture, Path)]
    return [path.stem for path in paths] if len(paths) == len(found.pictures) else None


def _by_name(files: Sequence[str], theirs: Positions, names: Sequence[str], labels: Positions) -> Positions | None:
    """Partners by class and name; None where names repeat or do not agree."""
    places = {key: i for i, key in enumerate(zip(labels.tolist(), names, strict=True))}
    keys = list(zip(theirs.tolist(), files, strict=True))
    if len(places) < len(names) or places.keys() != set(keys):
        return None
    return np.array([places[key] for key in keys], dtype=np.int64)


def _numbers(files: Sequence[str]) -> list[int] | None:
    """The numbers that all names end with, or None."""
    found = [_NUMBER.search(name[-18:]) for name in files]
    return [int(match[1]) for match in found if match] if all(found) else None


def _within_classes(numbers: Sequence[int] | None, theirs: Positions, labels: Positions) -> Positions:
    """The k-th file of a class is its k-th clean sample; files count by their numbers where they have some."""
    rank = np.arange(len(theirs)) if numbers is None else np.array(numbers)
    places = np.empty(len(theirs), dtype=np.int64)
    places[np.lexsort((rank, theirs))] = np.argsort(labels, kind="stable")
    return places


def check_likeness(clean: ImageDataset, changed: Pixels, pairing: Pairing, place: str) -> None:
    """Refuse pairs that are no more alike than strangers of one class are.

    Raises:
        DataError: the images are not versions of the clean ones, or in another order.
    """
    chosen = np.unique(np.linspace(0, len(clean) - 1, min(COMPARED, len(clean))).astype(int))
    own = np.array([_distance(changed[i], clean.images[i]) for i in chosen])
    other = np.array([_distance(changed[i], clean.images[_stranger(clean.labels, i)]) for i in chosen])
    share = float(((own < other) | (own == 0)).mean())
    if share < NEARER:
        raise DataError(
            f"{place}: only {share:.0%} of the images are more like their clean original than like another one of"
            f" the class; not versions of these clean data, or in another order (paired {pairing.how})"
        )


def _stranger(labels: Positions, i: int) -> int:
    """The next sample of the class, around the end; the next sample of all where the class has one."""
    later = np.flatnonzero(labels == labels[i])
    return int(later[(np.searchsorted(later, i) + 1) % len(later)]) if len(later) > 1 else (i + 1) % len(labels)


def _distance(a: Pixels, b: Pixels) -> float:
    return float(np.abs(a.astype(np.int16) - b).mean())
