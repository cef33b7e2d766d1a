"""The official files of CIFAR-10 and CIFAR-100: binary, or pickled ones that torchvision has checked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlearn.datasets import Records
from unlearn.errors import DataError
from unlearn.sources import _places

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
URL = "https://www.cs.toronto.edu/~kriz/"


@dataclass(frozen=True)
class Edition:
    """What the official archives hold.

    labels: label bytes before the pixels; the last of them is the class.
    python: (folder, torchvision's class) of the Python version.
    """

    archive: str
    md5: str
    folder: str
    files: dict[str, tuple[str, ...]]
    names: str
    labels: int
    python: tuple[str, str]


def records(edition: Edition, split: str, path: str, download: bool) -> Records:
    """Read a split from whichever version is there; download the binary one if asked.

    Raises:
        DataError: no such folder or split, missing or damaged files, a download that failed.
    """
    _places.require_split(split, edition.files, edition.folder)
    root = Path(path).expanduser() if download else _places.folder(path)
    python, official = edition.python
    if not (root / edition.folder).is_dir() and (root / python).is_dir():
        return _python(root, split, path, official, python)
    if download and _missing(root, edition):
        _fetch(root, edition, path)
    if missing := _missing(root, edition):
        lacks = "" if (root / edition.folder).is_dir() else f"neither {python}/ nor "
        raise DataError(
            f"{_places.shown(path)}: there is {lacks or 'no '}{edition.folder}/{missing[0]};"
            f" expected the files of {edition.archive}, which download=true fetches"
        )
    return _binary(root / edition.folder, split, edition)


def _missing(root: Path, edition: Edition) -> list[str]:
    expected = (edition.names, *(name for names in edition.files.values() for name in names))
    return [name for name in expected if not (root / edition.folder / name).is_file()]


def _fetch(root: Path, edition: Edition, path: str) -> None:
    from torchvision.datasets.utils import download_and_extract_archive  # slow, and needed only here

    try:
        download_and_extract_archive(URL + edition.archive, str(root), md5=edition.md5)
    except (OSError, RuntimeError) as error:
        place = _places.shown(path)
        raise DataError(f"{place}: {edition.archive} was not fetched ({_places.reason(error)})") from error


def _binary(folder: Path, split: str, edition: Edition) -> Records:
    names = tuple((folder / edition.names).read_text(encoding="utf-8", errors="replace").split())
    pictures: list[Any] = []
    labels: list[int] = []
    where: list[str] = []
    for name in edition.files[split]:
        rows = _rows(folder / name, edition.labels)
        pictures += list(rows[:, edition.labels :].reshape(-1, *SHAPE))
        labels += rows[:, edition.labels - 1].tolist()
        where += [f"{folder.name}/{name} image {i}" for i in range(len(rows))]
    return Records(pictures, labels, names, where)


def _rows(file: Path, labels: int) -> Any:
    import numpy as np

    content = np.fromfile(file, dtype=np.uint8)
    length = labels + PIXELS
    if not len(content) or len(content) % length:
        raise DataError(
            f"{file.parent.name}/{file.name}: {len(content)} bytes, expected a multiple of {length}; damaged"
        )
    return content.reshape(-1, length)


def _python(root: Path, split: str, path: str, official: str, folder: str) -> Records:
    from torchvision import datasets  # slow, and needed only for the Python version

    try:
        found = getattr(datasets, official)(str(root), train=split == "train", download=False)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{_places.shown(path)}: files of {folder} are missing or differ from the official ones,"
            " so they are not opened; remove the folder, and download=true fetches the binary version"
        ) from error
    where = [f"{folder} {split} image {i}" for i in range(len(found.targets))]
    return Records(list(found.data.transpose(0, 3, 1, 2)), list(found.targets), tuple(found.classes), where)
