"""Embedders of faces: `load` one by name, or a user's own ONNX file by path. Torch-free until one is loaded."""

import importlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from unlearn.errors import UnknownName
from unlearn.registry import suggestion

if TYPE_CHECKING:
    from unlearn.faces.recogniser import Recogniser

# The name that users write, and the module that holds it.
MODULES: Final = {"dlib": "dlib_resnet", "facenet": "facenet"}
SUFFIX: Final = ".onnx"


def names() -> list[str]:
    """Names of the embedders whose weights come with an installed package."""
    return sorted(MODULES)


def load(name_or_path: str | Path) -> "Recogniser":
    """The recogniser of a name or of an .onnx file; each is read once a process.

    Raises:
        UnknownName: neither a name nor a path.
        WeightsError: weights that are missing or damaged, or a file that is no face embedder.
    """
    return _load(str(name_or_path))


@lru_cache(maxsize=16)
def _load(name: str) -> "Recogniser":
    if name in MODULES:
        recogniser: Recogniser = importlib.import_module(f"{__name__}.{MODULES[name]}").load()
        return recogniser
    if "/" in name or "\\" in name or name.lower().endswith(SUFFIX):
        from unlearn.faces.embedders import onnx_file

        return onnx_file.load(Path(name).expanduser())
    known = names()
    near = suggestion(name, known)
    raise UnknownName(
        f'embedder "{name}" does not exist{near}; there are: {", ".join(known)}, and paths of .onnx files'
    )
