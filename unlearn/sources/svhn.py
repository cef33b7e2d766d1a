"""SVHN (Netzer et al. 2011), cropped digits, from its official files: <split>_32x32.mat in a folder."""

from pathlib import Path

from unlearn.datasets import Records
from unlearn.errors import DataError
from unlearn.sources import _places

SPLITS = ("train", "test", "extra")


def svhn(split: str, *, path: str, download: bool = False) -> Records:
    """Read split train, test or extra; torchvision compares the file's MD5 with the official one first.

    Args:
        path: the folder that holds the .mat files.
        download: fetch the official file when it is missing (train 182 MB, test 64 MB, extra 1.3 GB).

    Raises:
        DataError: no such folder or split, a missing or damaged file, a download that failed.
    """
    _places.require_split(split, SPLITS, "SVHN")
    root = Path(path).expanduser() if download else _places.folder(path)
    place, name = _places.shown(path), f"{split}_32x32.mat"
    if not download and not (root / name).is_file():
        raise DataError(f"{place}: no {name}, the official file of SVHN, which download=true fetches")
    from torchvision import datasets  # slow, so after the checks

    try:
        found = datasets.SVHN(str(root), split=split, download=download)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"{place}: {name} is not the official file, or was not fetched ({_places.reason(error)})"
        ) from error
    where = [f"{name} image {i}" for i in range(len(found.labels))]
    return Records(list(found.data), found.labels.tolist(), tuple(map(str, range(10))), where)
