"""A tensor from a file that `torch.save` wrote (a zip archive, torch 1.6 or later), without torch's loader.

The archive must be as torch writes it: nothing compressed, so that no small file becomes a large one, one data.pkl,
and its numbers in a file of exactly the size that it says. Everything is checked before any memory is taken for it.
"""

import zipfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearn.errors import DataError
from unlearn.foreign import opcodes
from unlearn.foreign.opcodes import Description
from unlearn.sources import _places

SUFFIXES = (".pt", ".pth")
MAX_BYTES = 8 * 2**30
MAX_ENTRIES = 64  # torch writes seven for one tensor
MAX_DIMENSIONS = 8
OLD = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how files of torch before 1.6 start
KINDS = {
    "Double": "<f8", "Float": "<f4", "Half": "<f2", "BFloat16": "<u2",
    "Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "<i1", "Byte": "<u1",
}  # fmt: skip


def read(path: Path) -> NDArray[Any]:
    """The tensor as a read-only array; it is a view, so that one that repeats few numbers takes no memory yet.

    Raises:
        DataError: not such a file, damaged, or more than one plain tensor in it.
    """
    place = _places.shown(path)
    try:
        with zipfile.ZipFile(path) as archive:
            _check_entries(archive, path.stat().st_size, place)
            return _tensor(archive, place)
    except (OSError, ValueError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise DataError(f"{place}: not a readable file of torch.save ({_why(path, error)})") from error


def _why(path: Path, error: Exception) -> str:
    try:
        with path.open("rb") as file:
            old = file.read(len(OLD)) == OLD
    except OSError:
        old = False
    return "written by torch before 1.6, save it again with a later one" if old else _places.reason(error)


def _check_entries(archive: zipfile.ZipFile, size: int, place: str) -> None:
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES or len({entry.filename for entry in entries}) < len(entries):
        raise DataError(f"{place}: {len(entries)} entries, or two of one name; a file with one tensor has seven")
    for entry in entries:
        plain = entry.compress_type == zipfile.ZIP_STORED and entry.compress_size == entry.file_size
        if not plain or entry.flag_bits & 1:
            raise DataError(
                f"{place}: {_places.shown(entry.filename)} is compressed or encrypted, which torch never does"
            )
    stored = sum(entry.file_size for entry in entries)
    if stored > min(size, MAX_BYTES):
        raise DataError(f"{place}: says that it holds {stored:,} bytes, and has {size:,} (at most {MAX_BYTES:,})")


def _tensor(archive: zipfile.ZipFile, place: str) -> NDArray[Any]:
    names = archive.namelist()
    programs = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(programs) != 1:
        raise DataError(f"{place}: {len(programs)} entries data.pkl, a file of torch.save has one")
    root = programs[0].removesuffix("data.pkl")
    if archive.getinfo(programs[0]).file_size > opcodes.LONGEST:
        raise DataError(f"{place}: its data.pkl is longer than {opcodes.LONGEST:,} bytes, so it is not one tensor")
    if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
        raise DataError(f"{place}: its numbers are not in little-endian order")
    found = opcodes.described(archive.read(programs[0]), place)
    return _view(_numbers(archive, found, root, place), found, place)


def _numbers(archive: zipfile.ZipFile, found: Description, root: str, place: str) -> NDArray[Any]:
    entry, kind = f"{root}data/{found.storage.key}", np.dtype(KINDS[found.storage.kind])
    if entry not in archive.namelist():
        raise DataError(f"{place}: its numbers are missing (no {_places.shown(entry)[:80]})")
    stored, said = archive.getinfo(entry).file_size, found.storage.count * kind.itemsize
    if stored != said:
        raise DataError(f"{place}: {stored:,} bytes of numbers, {said:,} expected")
    numbers: NDArray[Any] = np.frombuffer(archive.read(entry), dtype=kind)
    if found.storage.kind == "BFloat16":  # the upper half of a float32
        return (numbers.astype("<u4") << 16).view("<f4")
    return numbers


def _view(numbers: NDArray[Any], found: Description, place: str) -> NDArray[Any]:
    size, stride = found.size, found.stride
    if len(size) != len(stride) or not 0 < len(size) <= MAX_DIMENSIONS or 0 in size:
        raise DataError(f"{place}: a tensor without numbers, or of a size that does not fit its strides")
    last = found.offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if last >= len(numbers):
        raise DataError(f"{place}: its tensor reaches number {last:,}, and {len(numbers):,} are stored")
    if prod(size) * numbers.itemsize > MAX_BYTES:
        raise DataError(
            f"{place}: its tensor would take {prod(size) * numbers.itemsize:,} bytes, at most {MAX_BYTES:,}"
        )
    steps = tuple(step * numbers.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(numbers[found.offset :], size, steps, writeable=False)
