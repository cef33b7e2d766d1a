"""Weight files inside installed packages: found without importing the package, used only when their checksum is right.

Some of the packages cannot be imported by a current Python (they want `imghdr` or `pkg_resources`); their files are
all that is needed.
"""

import functools
import hashlib
import importlib
import importlib.metadata
from pathlib import Path
from typing import Any, Final

from unlearn.errors import UnlearnError

INSTALL: Final = "pip install 'unlearn[faces]'"


class WeightsError(UnlearnError):
    """A package or weight file that is missing, damaged, or not what its name says."""


def package(module: str) -> Any:
    """The imported module of an optional package, such as `cv2`.

    Raises:
        WeightsError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise WeightsError(f"{module} is needed for faces and cannot be imported ({error}): {INSTALL}") from None


def find(package: str, file_name: str) -> Path:
    """Where the installed package `package` (its name at the registry) keeps `file_name` (without folders).

    Raises:
        WeightsError: the package is not installed, or holds no such file.
    """
    try:
        files = importlib.metadata.distribution(package).files or []
    except importlib.metadata.PackageNotFoundError:
        raise WeightsError(f"{file_name} comes with the package {package}, which is missing: {INSTALL}") from None
    for file in files:
        place = Path(str(file.locate()))
        if file.name == file_name and place.is_file():
            return place
    raise WeightsError(f"the package {package} holds no {file_name}: {_repair(package)}")


def verified(path: Path, sha256: str) -> Path:
    """The same path, once its SHA-256 is the one expected (hexadecimal).

    Raises:
        WeightsError: the file cannot be read, or its checksum differs.
    """
    try:
        facts = path.stat()
        found = _digest(path, facts.st_size, facts.st_mtime_ns)
    except OSError as error:
        raise WeightsError(f"cannot read weights {path}: {error.strerror}") from None
    if found != sha256:
        raise WeightsError(
            f"checksum differs: {path} has SHA-256 {found[:12]}…, expected {sha256[:12]}…; the file is damaged or of "
            f"another version: reinstall the package that it belongs to, or fetch the file again"
        )
    return path


def weight_file(package: str, file_name: str, sha256: str) -> Path:
    """`find`, then `verified`."""
    return verified(find(package, file_name), sha256)


def _repair(package: str) -> str:
    return f"pip install --force-reinstall {package}"


@functools.lru_cache(maxsize=64)
def _digest(path: Path, size: int, modified: int) -> str:
    """SHA-256 of a file, computed once a process; size and time are part of the question, not used otherwise."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
