"""Labeled images, in memory or mapped, with ids that come from their content. Sources fill it; see `sources/`.

numpy is imported where it is used: a source's function is a recipe's schema, and recipes are checked without it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from unlearn import registry
from unlearn.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from unlearn.decoding import Picture as Picture
    from unlearn.fitting import Fit
    from unlearn.images import Pixels


@dataclass(frozen=True)
class Records:
    """What a source finds, undecoded: one picture, label and place for messages per sample.

    A picture is an encoded file (bytes, a path, or a function that reads bytes) or a uint8 array (C, H, W).
    """

    pictures: Sequence[Picture]
    labels: Sequence[int]
    names: Sequence[str]
    where: Sequence[str]


@dataclass(frozen=True)
class ImageDataset:
    """Images (N, C, H, W) uint8, labels (N,) int64 in [0, len(names)), class names, and a split's name."""

    images: Pixels
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    split: str = "train"

    def __len__(self) -> int:
        return len(self.images)

    @property
    def classes(self) -> int:
        return len(self.names)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """32 hexadecimal digits a sample: class name, shape and pixels, and a count for exact duplicates."""
        seen: Counter[bytes] = Counter()
        return tuple(_identity(pixels, self.names[label], seen) for pixels, label in self._samples())

    def _samples(self) -> Any:
        return zip(self.images, self.labels, strict=True)

    @cached_property
    def keys(self) -> NDArray[np.int64]:
        """The ids as int64 words, shape (N,), for the random generator."""
        import numpy as np

        return np.array([int(i[:16], 16) for i in self.ids], dtype=np.uint64).view(np.int64)

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the set of samples, whatever their order."""
        return hashlib.sha256("".join(sorted(self.ids)).encode()).hexdigest()[:16]

    def take(self, index: NDArray[Any]) -> ImageDataset:
        """The samples at these positions, as a data set of its own."""
        import numpy as np

        from unlearn import placing

        if len(index) == len(self) and np.array_equal(index, np.arange(len(self))):
            return self  # a copy of all would cost as much again, and so would its ids
        return replace(self, images=placing.picked(self.images, index), labels=self.labels[index])

    def counts(self) -> NDArray[np.int64]:
        """Samples per class, shape (classes,)."""
        import numpy as np

        return np.bincount(self.labels, minlength=self.classes)


def _identity(pixels: Pixels, name: str, seen: Counter[bytes]) -> str:
    content = hashlib.sha256(f"{name}\0{pixels.shape}\0".encode() + pixels.tobytes()).digest()
    seen[content] += 1
    if seen[content] == 1:
        return content.hex()[:32]
    return hashlib.sha256(content + seen[content].to_bytes(8, "little")).hexdigest()[:32]


def load(source: str, split: str, fit: Fit | None = None, **options: Any) -> ImageDataset:
    """Read one split of a source, e.g. `load("imagefolder", "train", path="pets")`.

    Raises:
        UnknownName: no such source.
        DataError: what is wrong with the data, and where.
    """
    return collect(registry.load("sources", source)(split=split, **options), split, fit)


def collect(records: Records, split: str, fit: Fit | None = None) -> ImageDataset:
    """Decode records into one array; every unreadable picture is reported, not only the first."""
    import numpy as np

    check_labels(records)
    from unlearn import decoding

    pixels = decoding.decoded(decoding.Pictures(records.pictures, records.where, fit))
    labels = np.asarray(records.labels, dtype=np.int64)
    return ImageDataset(pixels, labels, tuple(map(str, records.names)), split)


def check_labels(records: Records) -> None:
    """Refuse an empty set, a single class, and labels outside the classes, naming the sample."""
    import numpy as np

    if not len(records.pictures):
        raise DataError("no images found")
    labels = np.asarray(records.labels)
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"labels are {labels.dtype}, expected whole numbers")
    wrong = np.flatnonzero((labels < 0) | (labels >= len(records.names)))
    if len(wrong):
        first = int(wrong[0])
        raise DataError(
            f"{records.where[first]}: label {labels[first]} is out of range 0..{len(records.names) - 1}"
            f" ({len(wrong)} samples)"
        )
    if len(np.unique(labels)) < 2:
        only = records.names[int(labels[0])]
        raise DataError(f"{records.where[0]}: one class only ({only}); a classifier needs two or more")


def stratified(data: ImageDataset, samples: int, seed: int) -> NDArray[np.int64]:
    """Positions of `samples` images, of every class its share of the data but at least one, in the data's order.

    The choice depends on the seed and the ids, not on the order of the data.
    """
    import numpy as np

    order = sorted(range(len(data)), key=lambda i: hashlib.sha256(f"{seed}{data.ids[i]}".encode()).digest())
    sizes, taken, places = data.counts(), Counter[int](), []
    for place, i in enumerate(order):
        label = int(data.labels[i])
        taken[label] += 1
        first = taken[label] == 1
        places.append((0.0 if first else (taken[label] - 0.5) / sizes[label], place, i))
    chosen = [i for *_, i in sorted(places)[:samples]]
    return np.sort(np.array(chosen, dtype=np.int64))


def limited(data: ImageDataset, samples: int | None, seed: int) -> ImageDataset:
    """A stratified part of the data, or all of it when `samples` is None.

    Raises:
        DataError: when there are fewer samples than asked for.
    """
    if samples is None or samples == len(data):
        return data
    if samples > len(data):
        raise DataError(f"{samples} samples of split {data.split} asked for, it has {len(data)}")
    return data.take(stratified(data, samples, seed))
