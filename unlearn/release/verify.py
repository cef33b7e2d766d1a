"""Re-open a release and look at everything: checksums, images, labels, budget, and secrets."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unlearn import datasets
from unlearn.datasets import ImageDataset, Records
from unlearn.decoding import InOrder
from unlearn.errors import ReleaseError
from unlearn.promise import Promise
from unlearn.release import leaks, record, rowcheck, tree
from unlearn.release.formats import FORMATS
from unlearn.release.record import Release
from unlearn.release.rowcheck import SplitCheck
from unlearn.release.stored import Finding, Row

FACTS = record.NAME


def verify(folder: Path, clean: ImageDataset | None = None, clean_test: ImageDataset | None = None) -> list[Finding]:
    """Everything that is wrong with a release; an empty list means that it holds.

    Args:
        folder: the release.
        clean: the training data before protection, in the same order, to check budget and clean copies.
        clean_test: the test data, to check that the released test images carry no noise.

    Raises:
        ReleaseError: the folder is no release at all. Damage inside a release is a finding.
    """
    if not (folder / record.NAME).is_file():
        raise ReleaseError(f"{folder}: not a release (it has no {record.NAME})")
    found = tree.paths(folder)
    findings = [*tree.odd_entries(folder), *tree.sums_problems(folder, found)]
    try:
        release = record.read(folder)
    except ReleaseError as error:
        return [*findings, Finding(record.NAME, str(error)), *_texts(folder, found, None)]
    sources = {"train": clean, "test": clean_test}
    findings += [*tree.foreign(found, release), *_texts(folder, found, release)]
    checks = [SplitCheck(release, split, sources[split], rowcheck.limits(release, split)) for split in release.splits]
    for check in checks:
        findings += _rows(folder, check)
    return [*findings, *_pairs(checks)]


def _rows(folder: Path, check: SplitCheck) -> Iterator[Finding]:
    for item in FORMATS[check.release.format].read(folder, check.split, check.release.classes):
        if isinstance(item, Finding):
            yield item
        else:
            yield from check.row(item)
    yield from check.totals()


def _pairs(checks: Sequence[SplitCheck]) -> Iterator[Finding]:
    """Rows that show what is protected in another one."""
    for one, other in itertools.product(checks, checks):
        for image in one.shown.keys() & other.hidden.keys():
            yield Finding(one.shown[image], f"shows the clean image that is protected in {other.hidden[image]}")


def _texts(folder: Path, found: list[str], release: Release | None) -> Iterator[Finding]:
    """Secrets in the card, the record and the checksums, and in the texts inside a format's files."""
    names = leaks.private_names(release.stated if release else "")
    inside = _texts_inside(folder, release) if release else ()
    for place, text in itertools.chain(_own_texts(folder, found), inside):
        yield from (Finding(place, problem) for problem in leaks.text_problems(text, names))


def _own_texts(folder: Path, found: list[str]) -> Iterator[tuple[str, str]]:
    for path in (tree.CARD, record.NAME, tree.SUMS):
        text = (folder / path).read_text(encoding="utf-8", errors="replace") if path in found else ""
        yield from ((f"{path} line {number}", line) for number, line in enumerate(text.split("\n"), 1))


def _texts_inside(folder: Path, release: Release) -> Iterator[tuple[str, str]]:
    for split in release.splits:
        yield from FORMATS[release.format].texts(folder, split)


def facts(folder: Path) -> dict[str, Any]:
    """The checked contents of release.json: method, rows, epsilon, classes, and more.

    Raises:
        ReleaseError: no release, or a damaged record.
    """
    return asdict(record.read(folder))


def limits(folder: Path) -> Promise:
    """What the perturbation of a release keeps to on every training image.

    Raises:
        ReleaseError: no release, or a damaged record.
    """
    return record.read(folder).limits


def load(folder: Path) -> dict[str, ImageDataset]:
    """Read a release back, split by split, in its own order.

    Raises:
        ReleaseError: no release, or one with unreadable parts; `verify` names all of them.
        DataError: images or labels that cannot be used.
    """
    release = record.read(folder)
    return {split: _load(folder, release, split) for split in release.splits}


def _load(folder: Path, release: Release, split: str) -> ImageDataset:
    damage: list[str] = []
    labels: list[Any] = []
    places: list[str] = []
    for item in _items(folder, release, split):
        if isinstance(item, Finding):
            damage.append(str(item))
            continue
        labels.append(item.label)
        places.append(item.place)
        damage += [] if isinstance(item.data, bytes) else [f"{item.place}: image bytes are null"]
    if len(labels) != release.splits[split].samples:
        damage.append(f"{split}: {len(labels)} samples, release.json says otherwise")
    if damage:
        raise ReleaseError("\n".join(damage[:20]))
    pictures = InOrder(len(labels), lambda: (item.data for item in _rows_of(folder, release, split)))
    return datasets.collect(Records(pictures, labels, release.classes, places), split)


def _items(folder: Path, release: Release, split: str) -> Iterator[Row | Finding]:
    return FORMATS[release.format].read(folder, split, release.classes)


def _rows_of(folder: Path, release: Release, split: str) -> Iterator[Row]:
    return (item for item in _items(folder, release, split) if isinstance(item, Row))
