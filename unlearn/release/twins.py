"""Clean images that would be released although the same image is released protected: the pair gives the noise away."""

import hashlib
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from unlearn.datasets import ImageDataset
from unlearn.images import Pixels


def digest(pixels: Pixels) -> bytes:
    """Equal for equal pixels, uint8 (C, H, W)."""
    return hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16).digest()


def problem(clean: ImageDataset, mask: NDArray[np.bool_], test: ImageDataset | None) -> str | None:
    """Which of the samples released as they are show a protected one, and what to do; None where none does.

    Args:
        mask: shape (N,), True for the training samples that are protected.
        test: the test samples that are released, if any are.
    """
    hidden = {digest(clean.images[row]): f"train {row}" for row in np.flatnonzero(mask)}
    others = dict(_twins(hidden, clean, "train", np.flatnonzero(~mask)))
    tested = dict(_twins(hidden, test, "test", np.arange(len(test)))) if test else {}
    found = others | tested
    if not found:
        return None
    first = next(iter(found))
    ways = ["remove the duplicates"] + ["--no-test leaves the test split out"] * (not others)
    return (
        f"{len(found)} samples would be released clean whose protected twin is released, too (the first: {first}, "
        f"the same image as {found[first]}): such a pair gives the noise away; {', or '.join(ways)}"
    )


def _twins(
    hidden: Mapping[bytes, str], data: ImageDataset, split: str, rows: NDArray[np.int64]
) -> Iterator[tuple[str, str]]:
    for row in rows:
        if (twin := hidden.get(digest(data.images[row]))) is not None:
            yield f"{split} {row}", twin
