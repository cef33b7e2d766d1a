"""Pictures to one array of images, one picture at a time, in memory or in a kept file; see image_store.py."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from math import prod
from pathlib import Path
from typing import overload

import numpy as np
import PIL
from numpy.typing import NDArray

from unlearn import image_store, images, placing
from unlearn.errors import DataError
from unlearn.fitting import Fit
from unlearn.images import Pixels

Picture = bytes | Path | NDArray[np.uint8] | Callable[[], bytes]
VERSION = 1  # of what a key stands for


class InOrder(Sequence[Picture]):
    """Pictures that are read one after the other, and from the first again when one that has passed is asked for."""

    def __init__(self, count: int, read: Callable[[], Iterator[Picture]]):
        self._count, self._read = count, read
        self._next = count
        self._left: Iterator[Picture] = iter(())

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Picture]:
        return self._read()

    @overload
    def __getitem__(self, index: int) -> Picture: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Picture]: ...

    def __getitem__(self, index: int | slice) -> Picture | Sequence[Picture]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        if index < self._next:
            self._next, self._left = 0, self._read()
        found = next(islice(self._left, index - self._next, None))
        self._next = index + 1
        return found


@dataclass(frozen=True)
class Pictures:
    """Undecoded pictures, their places for messages, and how they become one size (None: they must have one)."""

    pictures: Sequence[Picture]
    where: Sequence[str]
    fit: Fit | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    def decode(self, i: int) -> Pixels:
        """One picture, uint8 (C, H, W)."""
        picture, fit = self.pictures[i], self.fit
        if isinstance(picture, np.ndarray):
            return picture if fit is None else images.to_array(fit.apply(images.to_image(picture)))
        image = images.decode(picture() if callable(picture) else picture, self.where[i])
        return images.to_array(image if fit is None else fit.apply(image))


def decoded(found: Pictures) -> Pixels:
    """All images, uint8 (N, C, H, W); gray pictures among colored ones become colored.

    Sets larger than the bound of placing.py are kept in its folder under a key of their contents, and are opened from
    there the next time.

    Raises:
        DataError: naming every picture that cannot be read, or two sizes where there are several.
    """
    shape = _first_shape(found)
    for channels in sorted({shape[0], 3}):  # three only if a colored picture follows gray ones
        filled = _placed(found, (len(found), channels, *shape[1:]))
        if filled is not None:
            return filled
    raise DataError(f"images of more than 3 channels, e.g. {found.where[0]}")


def _first_shape(found: Pictures) -> tuple[int, ...]:
    """Of the first picture that can be read; the others are found out about when all are read."""
    for i in range(len(found)):
        try:
            return found.decode(i).shape
        except DataError:
            continue
    return (1, 1, 1)


def _placed(found: Pictures, shape: tuple[int, ...]) -> Pixels | None:
    here = placing.bound()
    if here.exceeded(prod(shape)):
        return image_store.kept(here.folder, key(found), shape, lambda out: _fill(found, out))
    out = np.empty(shape, dtype=np.uint8)
    return out if _fill(found, out) else None


def _fill(found: Pictures, out: Pixels) -> bool:
    """Decode into `out`; False as soon as a picture has more channels than it."""
    problems: list[str] = []
    sizes: Counter[tuple[int, ...]] = Counter()
    first: dict[tuple[int, ...], str] = {}
    for i in range(len(found)):
        try:
            pixels = found.decode(i)
        except DataError as error:
            problems.append(str(error))
            continue
        size = pixels.shape[1:]
        sizes[size] += 1
        first.setdefault(size, found.where[i])
        if len(pixels) > out.shape[1]:
            return False
        if size == out.shape[2:]:
            out[i] = pixels
    if problems:
        raise DataError("\n".join([*problems[:20], *_more(len(problems) - 20)]))
    _check_sizes(sizes, first)
    return True


def _more(count: int) -> list[str]:
    return [f"and {count} more"] if count > 0 else []


def _check_sizes(sizes: Counter[tuple[int, ...]], first: dict[tuple[int, ...], str]) -> None:
    if len(sizes) > 1:
        (common, count), (other, _) = sizes.most_common(2)
        raise DataError(
            f"images of {len(sizes)} sizes, e.g. {_size(common)} ({count} images) and {_size(other)} ({first[other]}); "
            f"say what to do: data.fit={{height: {common[0]}, width: {common[1]}, how: crop|stretch|pad}}"
        )


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


def key(found: Pictures) -> str:
    """40 hexadecimal digits of everything that decides the decoded images: the files' bytes, their order, the fit.

    Times and names of files are no part of it, and every byte is: a file that is replaced by another of the same size
    makes another key.
    """
    fit = asdict(found.fit) if found.fit else None
    digest = hashlib.sha256(json.dumps([VERSION, PIL.__version__, len(found), fit]).encode())
    for picture in found.pictures:
        content = _content(picture)
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()[:40]


def _content(picture: Picture) -> bytes:
    """What a picture is made of; nothing for one that cannot be read, which is reported when it is decoded."""
    try:
        if isinstance(picture, np.ndarray):
            return str(picture.shape).encode() + picture.tobytes()
        if isinstance(picture, Path):
            return picture.read_bytes()
        return picture() if callable(picture) else picture
    except (DataError, OSError):
        return b""
