"""Image files in root/split/class/ or root/class/, or listed in metadata.jsonl or metadata.csv."""

import os
from collections.abc import Iterator
from pathlib import Path

from unlearn.datasets import Records
from unlearn.errors import DataError
from unlearn.sources import _labels, _metadata, _places

SPLITS = ("train", "training", "test", "testing", "validation", "valid", "val", "dev", "eval", "extra")
Sample = tuple[Path, str]


def imagefolder(split: str, *, path: str) -> Records:
    """Find the images of a split; class names are folder names, or the labels of a metadata file.

    A metadata file (columns file_name, label) lies in the split's folder or in the root and goes before
    class folders. Hidden files, files without an image's suffix and files outside class folders are left out.

    Raises:
        DataError: no such folder or split, no images, a link or a listed path that leads out of the root.
    """
    root, place = _places.folder(path), _places.shown(path)
    splits = _splits(root)
    _places.require_split(split, splits, place)
    # Every split is listed, so that a class that one of them lacks does not shift the others' numbers.
    found = {name: _samples(root, base) for name, base in splits.items()}
    if not found[split]:
        raise DataError(f"no images found in {_place(root, splits[split], place)}; {_expected(splits[split], split)}")
    files = [file for file, _ in found[split]]
    every = (label for samples in found.values() for _, label in samples)
    labels, names = _labels.number([label for _, label in found[split]], every)
    return Records(files, labels, names, [_place(root, file, place) for file in files])


def _place(root: Path, file: Path, place: str) -> str:
    inner = file.relative_to(root)
    return place if inner == Path() else f"{place.rstrip('/')}/{_places.shown(inner)}"


def _expected(base: Path, split: str) -> str:
    loose = any(_is_image(entry.name) for entry in _entries(base))
    hint = "images lie outside class folders; " if loose else ""
    return f"{hint}expected {split}/class/*.png (.jpg, .webp, ...) or metadata.jsonl with file_name and label"


def _splits(root: Path) -> dict[str, Path]:
    """Split folders by name; a root without any is the split train itself."""
    there = {entry.name: root / entry.name for entry in _entries(root) if entry.name in SPLITS and os.path.isdir(entry)}
    for folder in there.values():
        _places.require_inside(root, folder, _places.shown(root.name))
    return there or {"train": root}


def _samples(root: Path, base: Path) -> list[Sample]:
    for folder in dict.fromkeys((base, root)):
        listed = [row for row in _metadata.read(root, folder) if row[0].is_relative_to(base)]
        if listed:
            return listed
    classes = sorted(entry.name for entry in _entries(base) if os.path.isdir(entry))
    return [(file, _class(name)) for name in classes for file in sorted(_walk(root, base / name), key=_parts)]


def _parts(path: Path) -> tuple[str, ...]:
    return path.parts


def _class(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DataError(f'class folder "{_places.shown(name)}": its name is not UTF-8; rename it') from None
    return name


def _walk(root: Path, folder: Path) -> Iterator[Path]:
    """Image files below a folder, in no order; without recursion, because depth is input."""
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        _check_link(root, here)
        for entry in _entries(here):
            path = here / entry.name
            if os.path.isdir(entry):  # unlike entry.is_dir, false for a link in a circle
                waiting.append(path)
            elif _is_image(entry.name):
                _check_file(root, path)
                yield path


def _check_link(root: Path, folder: Path) -> None:
    if folder.is_symlink():
        place = _places.shown(folder.relative_to(root))
        _places.require_inside(root, folder, place)
        raise DataError(f"{place}: is a link to a folder; not followed, because its images would count twice")


def _check_file(root: Path, path: Path) -> None:
    place = _places.shown(path.relative_to(root))
    if path.is_symlink():
        _places.require_inside(root, path, place)
    if not path.is_file():  # a pipe would block the reader for ever
        raise DataError(f"{place}: not a regular file")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What a folder holds, without hidden entries."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{_places.shown(folder.name)}: cannot be listed ({error.strerror})") from error


def _is_image(name: str) -> bool:
    from unlearn import images  # numpy stays out of recipe checks

    return name.lower().endswith(images.SUFFIXES)
