"""Pictures and folders that the tests of sources share."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Write = Callable[[Path, int], bytes]


def shared(name: str) -> Path:
    """A folder of the development data, or a skipped test."""
    base = os.environ.get("UNLEARN_SHARED")
    root = Path(base) if base else Path(__file__).parents[3] / "shared"
    found = next((p for p in (root / "data" / name, root / name) if p.is_dir()), None)
    if found is None:
        pytest.skip(f"no development data {name}")
    return found


def png(value: int, size: tuple[int, int] = (8, 8)) -> bytes:
    """A PNG file of one gray level in three channels."""
    stream = io.BytesIO()
    Image.new("RGB", size, (value, value, value)).save(stream, "PNG")
    return stream.getvalue()


def huge_png() -> bytes:
    """A few bytes that declare 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """root/{train,test}/{cat,dog}/*.png: two images a class; a pixel is 10 * class + number, +100 in test."""
    root = tmp_path / "pets"
    for split, offset in (("train", 0), ("test", 100)):
        for label, name in enumerate(("cat", "dog")):
            folder = root / split / name
            folder.mkdir(parents=True)
            for i in range(2):
                (folder / f"{i}.png").write_bytes(png(offset + 10 * label + i))
    return root


def levels(images: np.ndarray) -> list[int]:
    """The gray level of each picture."""
    return [int(image[0, 0, 0]) for image in images]
