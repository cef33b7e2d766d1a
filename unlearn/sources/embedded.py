"""Six kinds of shapes drawn on the fly (no files): colors and places say nothing about the class."""

from typing import Annotated

from pydantic import Field

from unlearn.datasets import Records
from unlearn.quantities import Positive
from unlearn.sources import _places


def embedded(
    split: str,
    *,
    train_images: Positive = 2400,
    test_images: Positive = 1000,
    size: Annotated[int, Field(ge=16, le=256)] = 32,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Records:
    """Draw the split: colored images (3, size, size) uint8 of six classes in turn.

    Raises:
        DataError: for a split other than train and test.
    """
    from unlearn.sources import _drawing  # numpy stays out of recipe checks

    counts = {"train": train_images, "test": test_images}
    _places.require_split(split, counts, "the embedded set")
    count, stream = counts[split], [seed, list(counts).index(split), size]
    pictures, labels = _drawing.drawn(count, stream, size)
    where = [f"embedded {split} {i}" for i in range(count)]
    return Records(list(pictures), labels.tolist(), tuple(_drawing.PATTERNS), where)
