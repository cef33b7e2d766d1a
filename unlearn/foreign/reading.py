"""What a foreign set is, by its files: a source's records, whatever their pixels, or a perturbation to be added."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unlearn import datasets, images, placing, registry
from unlearn.datasets import ImageDataset, Records
from unlearn.errors import DataError
from unlearn.foreign import tensorfile
from unlearn.images import Pixels
from unlearn.quantities import LEVELS
from unlearn.sources import _places

if TYPE_CHECKING:
    from unlearn.datasets import Picture

FILES = {".npz": "npz", ".parquet": "parquet"}
KNOWN = "an image folder, .npz, parquet, a folder of save_to_disk, or a perturbation saved by torch (.pt)"
BLOCK = 2048
SPARE = 1024 * 1024  # bytes of an array besides those of its images


def source(path: Path) -> str:
    """The source that reads this path.

    Raises:
        DataError: nothing there, or a file of another kind.
    """
    if path.is_dir():
        if any((path / name).is_file() for name in ("dataset_dict.json", "state.json")):
            return "saved"
        tables = any(True for folder in (path, path / "data") for _ in folder.glob("*.parquet"))
        return "parquet" if tables else "imagefolder"
    if path.is_file() and path.suffix.lower() in FILES:
        return FILES[path.suffix.lower()]
    raise DataError(f"{_places.shown(path)}: {'not ' + KNOWN if path.exists() else 'no such file or folder'}")


def records(path: Path, kind: str, clean: ImageDataset) -> Records:
    """The records of the split train, undecoded.

    Raises:
        DataError: what is wrong with them, or a file that is far too large to be a version of the clean data.
    """
    if kind == "npz":
        _check_size(path, clean)
    found: Records = registry.load("sources", kind)(split="train", path=str(path))
    datasets.check_labels(found)
    return found


def _check_size(path: Path, clean: ImageDataset) -> None:
    """Small files can declare large arrays; none is read that can't be of the clean data's size."""
    try:
        with zipfile.ZipFile(path) as archive:
            declared = max((entry.file_size for entry in archive.infolist()), default=0)
    except (OSError, ValueError, zipfile.BadZipFile):
        return  # the source tells what is wrong
    limit = 8 * clean.images.nbytes + SPARE
    if declared > limit:
        raise DataError(
            f"{_places.shown(path)}: holds {declared:,} bytes in one array, {limit:,} are the most for these data"
        )


def pixels(found: Records, places: NDArray[np.int64], clean: ImageDataset) -> Pixels:
    """All pictures decoded, the i-th of them at `places[i]`, uint8 of the clean images' shape.

    Raises:
        DataError: the first picture that cannot be read or has another size.
    """
    made = placing.zeros(clean.images.shape, np.uint8)
    for picture, where, place in zip(found.pictures, found.where, places, strict=True):
        made[place] = _fitting(_decoded(picture, where), clean.images.shape[1:], where)
    return made


def _decoded(picture: Picture, where: str) -> Pixels:
    if isinstance(picture, np.ndarray):
        return picture
    return images.to_array(images.decode(picture() if callable(picture) else picture, where))


def _fitting(found: Pixels, shape: tuple[int, ...], where: str) -> Pixels:
    """Gray pictures among colored ones are spread, as savers make them of gray photos; nothing is resized."""
    if found.shape[1:] != shape[1:] or len(found) not in (1, shape[0]):
        raise DataError(f"{where}: {_size(found.shape)}, the clean images have {_size(shape)}")
    return found


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[2]}x{shape[1]} pixels and {shape[0]} channel{'' if shape[0] == 1 else 's'}"


def perturbation(path: Path, clean: ImageDataset, rows: tuple[int, ...]) -> NDArray[np.int16]:
    """A perturbation in whole levels, shape (R, C, H, W), R being one of `rows`.

    Floats up to 1 are parts of the full range, larger ones and whole numbers are levels of 255. They are rounded;
    the code that came with the paper cuts off decimals and negative values instead, which its authors call a mistake.

    Raises:
        DataError: not one tensor, of another shape, not finite, or beyond 255 levels.
    """
    place, stored = _places.shown(path), tensorfile.read(path)
    shape = clean.images.shape
    if stored.shape[1:] != shape[1:] or stored.shape[0] not in rows:
        wanted = " or ".join(str([count, *shape[1:]]) for count in dict.fromkeys(rows))
        raise DataError(f"{place}: a tensor of shape {list(stored.shape)}, the clean data need {wanted}")
    scale = _scale(stored, place)
    made = placing.zeros(stored.shape, np.int16)
    for part in placing.blocks(made, BLOCK, values=4):
        made[part] = np.rint(stored[part].astype(np.float64) * scale)
    return made


def _scale(stored: NDArray[np.generic], place: str) -> int:
    tops = [np.abs(stored[part].astype(np.float64)).max() for part in placing.blocks(stored, BLOCK, values=8)]
    top = float(np.max(tops))
    if not np.isfinite(top) or top > LEVELS:
        raise DataError(f"{place}: values of {top:g}, expected a perturbation within [-1, 1] or 255 levels")
    return LEVELS if stored.dtype.kind == "f" and top <= 1 else 1


def added(clean: ImageDataset, levels: NDArray[np.int16]) -> Pixels:
    """Clean images plus a perturbation of `perturbation`, cut at black and white."""
    rows = np.arange(len(clean)) if len(levels) == len(clean) else clean.labels
    made = placing.zeros(clean.images.shape, np.uint8)
    for part in placing.blocks(made, BLOCK, values=4):
        made[part] = (clean.images[part] + levels[rows[part]]).clip(0, LEVELS)
    return made
