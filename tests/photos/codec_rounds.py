"""What the tests of codecs share: drawn pixels, files of them, and the way through a codec and back."""

import io
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from photo_plants import chunk
from PIL import Image

from unlearn.photos.blocks import Blocks
from unlearn.photos.codecs import codec
from unlearn.photos.picture import Damaged, LeftOut, Picture
from unlearn.photos.writing import Writing

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'
ICC = b"a profile, which codecs pass on as it is" * 3


def drawn(height: int = 48, width: int = 64, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth colors with some grain, (H, W, channels)."""
    draws = np.random.default_rng(seed)
    coarse = draws.integers(40, 200, (4, 5, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.int16)
    full = (smooth + draws.integers(-9, 10, smooth.shape)).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.concatenate([full, full[..., ::-1]], axis=2)[..., :channels])


def deep(channels: int = 3, seed: int = 0) -> NDArray[np.uint16]:
    """16-bit samples in which every bit matters, (48, 64, channels)."""
    low = np.random.default_rng(seed).integers(0, 256, (48, 64, channels), dtype=np.uint16)
    return drawn(channels=channels, seed=seed).astype(np.uint16) * 256 + low


def image(channels: int = 3, seed: int = 0) -> Image.Image:
    """A drawn image of 64x48: L, RGB or RGBA."""
    pixels = drawn(channels=channels, seed=seed)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


def encoded(picture: Image.Image, format: str, **options: Any) -> bytes:
    """The bytes of an image, as Pillow writes them."""
    stream = io.BytesIO()
    picture.save(stream, format, **options)
    return stream.getvalue()


def png(width: int, height: int, depth: int, color: int, raw: bytes, *chunks: bytes, interlaced: bool = False) -> bytes:
    """A PNG of rows that are filtered already; `chunks` stand in front of the rows."""
    sizes = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    header = chunk(b"IHDR", sizes + bytes((depth, color, 0, 0, interlaced)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def rows(samples: NDArray[Any]) -> bytes:
    """Unfiltered PNG rows of samples, big-endian."""
    return b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in samples)


def read(format: str, data: bytes, **writing: Any) -> Picture:
    """Decode."""
    picture: Picture = codec(format).read(data, Writing(**writing))
    return picture


def written(picture: Picture, blocks: Blocks = Blocks(), **writing: Any) -> bytes:
    """Encode; the same bytes twice."""
    first: bytes = codec(picture.format).write(picture, blocks, Writing(**writing))
    assert first == codec(picture.format).write(picture, blocks, Writing(**writing))
    return first


def again(picture: Picture, blocks: Blocks = Blocks(), **writing: Any) -> Picture:
    """Encode and decode."""
    return read(picture.format, written(picture, blocks, **writing))


def apart(first: NDArray[Any], second: NDArray[Any]) -> int:
    """The largest difference."""
    assert first.shape == second.shape
    assert first.dtype == second.dtype
    return int(np.abs(first.astype(np.int64) - second.astype(np.int64)).max())


def verdict(format: str, data: bytes, **writing: Any) -> str:
    """What a codec says against these bytes in one line; nothing if it reads them. Other errors are not caught."""
    try:
        read(format, data, **writing)
    except (LeftOut, Damaged) as error:
        said = str(error)
        assert said
        assert said.isprintable(), said
        return said
    return ""
