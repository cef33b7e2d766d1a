"""Write a release: the protected data set that others receive, whole or not at all."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlearn import files, images, registry
from unlearn.datasets import ImageDataset
from unlearn.errors import ReleaseError
from unlearn.progress import Progress, Silent
from unlearn.promise import Promise
from unlearn.quantities import whole_levels
from unlearn.release import card, leaks, record, stored, tree
from unlearn.release.facts import Facts
from unlearn.release.formats import FORMATS
from unlearn.release.record import Release
from unlearn.release.stored import Row

_Splits = dict[str, ImageDataset]


def write(
    out: Path,
    protected: ImageDataset,
    test: ImageDataset | None,
    facts: Facts,
    quality: images.Quality,
    mask: NDArray[np.bool_],
    format: str = "parquet",
    shard_bytes: int = 500_000_000,
    progress: Progress = Silent(),
) -> Path:
    """Write data, card, release.json and SHA256SUMS into a folder that is absent or empty.

    Args:
        protected: the training split after protection, uint8 (N, C, H, W), in the source's order.
        test: the clean test split, copied losslessly, or None to leave it out.
        quality: what the change costs, measured on clean and protected pixels.
        mask: shape (N,), True for the training samples that were changed; only their share is released.
        shard_bytes: size of a shard, for formats that have shards.

    Raises:
        UnknownName: no such format.
        ReleaseError: facts that contradict the data, or that would give away a secret.
        OutputError: the folder cannot be written; nothing is left in it.
    """
    registry.require("format", format, FORMATS)
    splits: _Splits = {"train": protected} if test is None else {"train": protected, "test": test}
    _check(splits, facts, quality, mask)
    release = record.describe(splits, facts, quality, mask, format)
    texts = {tree.CARD: card.render(release, facts), record.NAME: record.text(release)}
    _check_texts(texts, release)
    target = files.claim(out.absolute(), _space(splits))
    with files.output_errors(out), _whole(target) as folder:
        for name, data in splits.items():
            _write_split(folder, release, name, data, shard_bytes, progress)
        for path, text in texts.items():
            files.write_text(folder / path, text)
        tree.write_sums(folder)
    return out


def _check(splits: _Splits, facts: Facts, quality: images.Quality, mask: NDArray[np.bool_]) -> None:
    train, limit = splits["train"], (facts.promise or Promise(whole_levels(facts.epsilon))).levels
    problems = []
    if mask.shape != (len(train),) or mask.dtype != np.bool_ or not mask.any():
        problems.append(f"mask of {mask.dtype} {mask.shape} for {len(train)} samples: nothing is protected, or unclear")
    if quality.max_levels > limit:
        problems.append(f"the largest change is {quality.max_levels} levels, the budget is {limit}")
    for name, data in splits.items():
        if data.names != train.names or data.images.shape[1:] != train.images.shape[1:]:
            problems.append(f"split {name}: other classes or another image shape than the training split")
    if problems:
        raise ReleaseError("\n".join(problems))


def _check_texts(texts: dict[str, str], release: Release) -> None:
    """Refuse secrets before anything is written; the caller's recipe and source end up in these texts."""
    names = leaks.private_names(release.stated)
    problems = [f"{path}: {problem}" for path, text in texts.items() for problem in leaks.text_problems(text, names)]
    if problems:
        raise ReleaseError("\n".join(["the release would give away:", *problems]))


def _space(splits: _Splits) -> int:
    """Bytes needed: noise hardly compresses, so about the raw pixels and a kilobyte a sample."""
    return sum(int(data.images.nbytes * 1.1) + 1_000 * len(data) for data in splits.values()) + 1_000_000


@contextlib.contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A hidden folder beside `out` that takes its place when the block ends without an error."""
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        folder.chmod(0o755)
        yield folder
        out.rmdir()
        folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_split(
    folder: Path, release: Release, name: str, data: ImageDataset, shard_bytes: int, progress: Progress
) -> None:
    with progress.task(f"release {name}", len(data)) as advance:
        rows = _counted(stored.rows(data), advance)
        FORMATS[release.format].write(folder, name, rows, release.classes, shard_bytes)


def _counted(rows: Iterator[Row], advance: Callable[[int], None]) -> Iterator[Row]:
    for row in rows:
        yield row
        advance(1)
