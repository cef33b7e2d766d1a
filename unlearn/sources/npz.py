"""One NumPy .npz file: arrays train_images and train_labels, x_train and y_train, images and labels or alike."""

import re
import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearn import placing
from unlearn.datasets import Records
from unlearn.errors import DataError
from unlearn.quantities import LEVELS
from unlearn.sources import _labels, _places

MAX_BYTES = 8 * 2**30
WHOLE = {"images": "labels", "x": "y", "data": "targets"}  # a set without a split is the split train
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def npz(split: str, *, path: str, names: tuple[str, ...] | None = None) -> Records:
    """Read images of shape (N, H, W), (N, H, W, C) or (N, C, H, W), C being 1 or 3.

    They are uint8, or floats that are rounded: parts of the full range where none is above 1, otherwise levels of 255.

    Args:
        path: the file.
        names: class names in the order of the labels; otherwise the array `names`, or the labels' values.

    Raises:
        DataError: no such file or split, arrays of another shape, type or length, arrays over MAX_BYTES or
            that would have to be unpickled.
    """
    file, place = _places.file(path), _places.shown(path)
    arrays = _arrays(file, place)
    pairs = _pairs(arrays)
    _places.require_split(split, pairs, place)
    pixels, labels = pairs[split]
    for key in (pixels, labels):
        if key not in arrays:
            raise DataError(f"{place}: {pixels} needs {labels}, and {key} is missing; it has: {', '.join(arrays)}")
    pictures = _chw(_read(file, pixels, place), f"{place} {pixels}")
    where = [f"{place} {pixels}[{i}]" for i in range(len(pictures))]
    values = _values(file, labels, place)
    if len(values) != len(pictures):
        raise DataError(f"{place}: {len(pictures)} images in {pixels}, but {len(values)} labels in {labels}")
    if not len(values):
        raise DataError(f"{place}: {pixels} is empty")
    names = names or (_names(file, place) if "names" in arrays else None)
    others = [key for _, key in pairs.values() if key in arrays and key != labels]
    return Records(list(pictures), *_numbered(file, values, others, names, where, place), where)


def _arrays(file: Path, place: str) -> list[str]:
    try:
        with zipfile.ZipFile(file) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{place}: not an .npz file ({_places.reason(error)})") from error


def _pairs(arrays: list[str]) -> dict[str, tuple[str, str]]:
    """Names of the images' and the labels' array by split."""
    pairs: dict[str, tuple[str, str]] = {}
    for name in arrays:
        if match := re.fullmatch(r"(\w+)_images", name):
            pairs[match[1]] = name, f"{match[1]}_labels"
        elif match := re.fullmatch(r"x_(\w+)", name):
            pairs.setdefault(match[1], (name, f"y_{match[1]}"))
        elif name in WHOLE:
            pairs.setdefault("train", (name, WHOLE[name]))
    return pairs


def _read(file: Path, name: str, place: str) -> NDArray[Any]:
    """An array, after its declared size has been compared with the limit and with the file."""
    try:
        with zipfile.ZipFile(file) as archive:
            with archive.open(f"{name}.npy") as stream:
                _check_header(stream, archive.getinfo(f"{name}.npy").file_size, f"{place}: {name}")
            with archive.open(f"{name}.npy") as stream:
                array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        return array
    except (OSError, ValueError, EOFError, RuntimeError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{place}: {name} cannot be read ({_places.reason(error)})") from error


def _check_header(stream: Any, stored: int, place: str) -> None:
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise DataError(f"{place} is of .npy version {version}, expected 1.0 or 2.0")
    shape, _, kind = _HEADERS[version](stream)
    if kind.hasobject:
        raise DataError(f"{place} holds pickled objects, which are never loaded")
    size = prod(shape) * kind.itemsize
    if min(shape, default=0) < 0 or size > MAX_BYTES:
        raise DataError(f"{place} declares {size:,} bytes, more than {MAX_BYTES:,}")
    if size > stored:
        raise DataError(f"{place} declares {size:,} bytes, but {stored:,} are stored")


def _chw(array: NDArray[Any], place: str) -> NDArray[np.uint8]:
    """Images as (N, C, H, W), a view."""
    first, last = (array.ndim == 4 and array.shape[axis] in (1, 3) for axis in (1, 3))
    if array.ndim not in (3, 4) or 0 in array.shape[1:] or (array.ndim == 4 and first == last):
        why = "channels first or last cannot be told apart" if first and last else "no such layout"
        raise DataError(f"{place} has shape {array.shape}: {why}; expected (N,H,W), (N,H,W,1|3) or (N,1|3,H,W)")
    whole = _whole(array, place)
    if array.ndim == 3:
        return whole[:, None]
    return whole if first else whole.transpose(0, 3, 1, 2)


def _whole(array: NDArray[Any], place: str) -> NDArray[np.uint8]:
    """The same array in whole levels."""
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f":
        raise DataError(f"{place} is {array.dtype}, expected uint8 in 0..255, or floats")
    low, high = (float(edge(array)) if array.size else 0.0 for edge in (np.min, np.max))
    if not (low >= 0 and high <= LEVELS):
        raise DataError(f"{place} holds values from {low:g} to {high:g}, expected floats in [0, 1] or 255 levels")
    made = np.empty(array.shape, np.uint8)
    for part in placing.blocks(array, values=8):
        made[part] = np.rint(array[part].astype(np.float64) * (LEVELS if high <= 1 else 1))
    return made


def _values(file: Path, name: str, place: str) -> NDArray[Any]:
    array = _read(file, name, place)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"{place}: {name} has shape {array.shape}, expected (N,) or (N,1)")
    if array.dtype.kind not in "iuU":
        raise DataError(f"{place}: {name} is {array.dtype}, expected whole numbers or strings")
    return array


def _names(file: Path, place: str) -> tuple[str, ...]:
    array = _read(file, "names", place)
    if array.ndim != 1 or array.dtype.kind != "U":
        raise DataError(f"{place}: names is {array.dtype} of shape {array.shape}, expected strings of shape (K,)")
    return tuple(map(str, array))


def _numbered(
    file: Path,
    values: NDArray[Any],
    others: list[str],
    names: tuple[str, ...] | None,
    where: list[str],
    place: str,
) -> tuple[list[int], tuple[str, ...]]:
    whole = values.dtype.kind != "U"
    if names and whole:
        return values.tolist(), names
    if names:
        missing = sorted(set(values.tolist()) - set(names))
        if missing:
            raise DataError(f'{place}: label "{_places.shown(missing[0])}" is not among the names')
        return [names.index(value) for value in values], names
    if whole:
        _labels.refuse_negative(values, where)
    every = (str(v) for name in others for v in _values(file, name, place).tolist() if not str(v).startswith("-"))
    return _labels.number([str(v) for v in values.tolist()], every)
