"""Photos as people see them, and the names that other programs have put into them."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlearn.photos import codecs, originals, sniffing
from unlearn.photos.peeking import peek
from unlearn.photos.persons import Box
from unlearn.photos.picture import Damaged, LeftOut, upright
from unlearn.photos.protecting import reason_of
from unlearn.photos.subjects import EVERYONE, Labeler
from unlearn.photos.writing import Writing

LARGEST_LABEL_FILE = 4_000_000
_SAME_FACE = 0.3  # detectors and people draw different boxes around one face


class Unseen(Exception):
    """A photo that cannot be looked at; the message is the reason."""


def pixels(root: Path, path: bytes, follow_links: bool = False) -> NDArray[np.uint8]:
    """An upright photo (H, W, 1 or 3).

    Raises:
        Unseen: damaged, of a kind that is left out, or unreadable.
    """
    full = os.path.join(os.fsencode(root), path)
    try:
        data = originals.read(full, follow_links).data
        picture = codecs.codec(sniffing.kind(data[:4096], full).format).read(data, Writing(cmyk="convert"))
    except (LeftOut, Damaged) as error:
        raise Unseen(str(error)) from error
    except OSError as error:
        raise Unseen(reason_of(error)) from error
    except MemoryError as error:
        raise Unseen("too large for this machine's memory") from error
    shown = upright(picture.pixels, picture.orientation)
    return np.ascontiguousarray(shown if picture.levels == 255 else (shown // 257).astype(np.uint8))


class Names:
    """Names of faces, from labels inside and beside the photos."""

    def __init__(self, root: Path, source: str, follow_links: bool = False):
        """`source` is what `subjects.Labeler` takes.

        Raises:
            DataError: a table or people file that cannot be read.
        """
        self._base, self._follow = os.fsencode(root), follow_links
        self._labeler = Labeler(source, _reader(self._base))

    def of(self, path: bytes, boxes: Sequence[Box]) -> list[str]:
        """A name for each box of a photo, "" where none is known."""
        try:
            seen = peek(os.path.join(self._base, path), True, self._follow)
        except OSError:
            return [""] * len(boxes)
        subject = self._labeler.subject(path, seen.xmp, seen.view)
        named = [(region.name, region.box) for region in subject.regions if region.name and region.box]
        if not named and len(boxes) == 1 and subject.name != EVERYONE and not subject.also:
            return [subject.name]
        return matched(boxes, named)


def matched(boxes: Sequence[Box], named: Sequence[tuple[str, Box]]) -> list[str]:
    """Each name to the box that it lies over most, the best fitting first, and no box or name twice."""
    pairs = [(box.overlap(b), i, j) for i, box in enumerate(boxes) for j, (_, b) in enumerate(named)]
    names, used = [""] * len(boxes), set[int]()
    for overlap, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if overlap >= _SAME_FACE and not names[i] and j not in used:
            names[i] = named[j][0]
            used.add(j)
    return names


def _reader(base: bytes) -> Callable[[bytes], bytes | None]:
    def read(path: bytes) -> bytes | None:
        try:
            full = os.path.join(base, path)
            return originals.read(full).data if os.stat(full).st_size <= LARGEST_LABEL_FILE else None
        except (OSError, LeftOut):
            return None

    return read
