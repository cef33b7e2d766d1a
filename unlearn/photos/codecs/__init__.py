"""One file a format: read(data, writing) -> Picture, write(picture, blocks, writing) -> bytes, size(data).

Files are found by name: the codec of `png` is png.py. Each has FORMATS (what it handles) and LOSSLESS.
"""

import functools
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from unlearn.photos.picture import LeftOut


@functools.cache
def names() -> tuple[str, ...]:
    """Formats that have a codec, sorted."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules([str(Path(__file__).parent)]) if m.name[0] != "_"))


def codec(format: str) -> ModuleType:
    """The module that reads and writes a format of `sniffing`.

    Raises:
        LeftOut: no codec handles it.
    """
    if format not in names():
        raise LeftOut(f"no codec for {format}; there are: {', '.join(names())}")
    return importlib.import_module(f"unlearn.photos.codecs.{format}")
