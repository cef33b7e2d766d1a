"""Detectors of faces, one file each. All are torch-free and take photos of any size."""

import functools
import importlib
from pathlib import Path
from typing import Final

from unlearn.errors import UnknownName
from unlearn.faces.face import Detector
from unlearn.registry import suggestion

# Name and file differ where a file must not hide the package that it uses.
_FILES: Final = {"mtcnn": "mtcnn", "dlib": "dlib_hog"}


def names() -> list[str]:
    """Names that `load` takes besides a path."""
    return sorted(_FILES)


@functools.cache
def load(name_or_path: str = "mtcnn") -> Detector:
    """The detector of a name, or YuNet from a path that ends in .onnx; one instance a process, safe among threads.

    Raises:
        UnknownName: neither a name nor such a path.
        WeightsError: what it needs is not installed, missing or damaged.
    """
    if name_or_path in _FILES:
        module = importlib.import_module(f"unlearn.faces.detectors.{_FILES[name_or_path]}")
        found: Detector = module.load()
        return found
    if name_or_path.lower().endswith(".onnx"):
        from unlearn.faces.detectors.yunet import load as load_file

        return load_file(Path(name_or_path))
    choices = f"there are: {', '.join(names())}, or the path of a YuNet .onnx file"
    raise UnknownName(f'detector "{name_or_path}" does not exist{suggestion(name_or_path, names())}; {choices}')
