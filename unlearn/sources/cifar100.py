"""CIFAR-100 (Krizhevsky 2009), fine labels, from the official files in a folder, binary or Python version."""

from unlearn.datasets import Records
from unlearn.sources import _cifar

_EDITION = _cifar.Edition(
    archive="cifar-100-binary.tar.gz",
    md5="03b5dce01913d631647c71ecec9e9cb8",
    folder="cifar-100-binary",
    files={"train": ("train.bin",), "test": ("test.bin",)},
    names="fine_label_names.txt",
    labels=2,
    python=("cifar-100-python", "CIFAR100"),
)


def cifar100(split: str, *, path: str, download: bool = False) -> Records:
    """Read split train or test; see cifar10 about pickled files.

    Args:
        path: the folder that holds cifar-100-binary or cifar-100-python.
        download: fetch the official archive (161 MB) when its files are missing.

    Raises:
        DataError: no such folder or split, missing or damaged files, a download that failed.
    """
    return _cifar.records(_EDITION, split, path, download)
