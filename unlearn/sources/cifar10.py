"""CIFAR-10 (Krizhevsky 2009) from the official files in a folder, binary or Python version."""

from unlearn.datasets import Records
from unlearn.sources import _cifar

_EDITION = _cifar.Edition(
    archive="cifar-10-binary.tar.gz",
    md5="c32a1d4ab5d03f1284b67883e8d87530",
    folder="cifar-10-batches-bin",
    files={"train": tuple(f"data_batch_{i}.bin" for i in range(1, 6)), "test": ("test_batch.bin",)},
    names="batches.meta.txt",
    labels=1,
    python=("cifar-10-batches-py", "CIFAR10"),
)


def cifar10(split: str, *, path: str, download: bool = False) -> Records:
    """Read split train or test.

    The binary version is read where it is there, and it is the one that `download` fetches. The Python
    version is pickled: it is the only pickle that this program opens, and torchvision opens it only after
    the MD5 sums of all its files have been found equal to the official ones.

    Args:
        path: the folder that holds cifar-10-batches-bin or cifar-10-batches-py.
        download: fetch the official archive (162 MB) when its files are missing.

    Raises:
        DataError: no such folder or split, missing or damaged files, a download that failed.
    """
    return _cifar.records(_EDITION, split, path, download)
