"""PNG files down to their chunks: nothing but one picture may travel in them."""

import struct
import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOR_TYPES = {1: 0, 3: 2}
_COLOR_NAMES = {0: "L", 2: "RGB", 3: "palette", 4: "LA", 6: "RGBA"}


def problems(data: bytes, shape: tuple[int, int, int]) -> Iterator[str]:
    """Everything that an 8-bit PNG of this shape (C, H, W) may not hold.

    Metadata chunks, further image streams, trailing bytes, and another size or mode than declared.
    """
    if not data.startswith(SIGNATURE):
        yield "not a PNG"
        return
    position = len(SIGNATURE)
    while position < len(data):
        kind, body, position = _chunk(data, position)
        if position > len(data):
            yield "PNG is truncated"
            return
        yield from _chunk_problems(kind, body, data[position - 4 : position], shape)
        if kind == b"IEND":
            yield from ([f"{len(data) - position} bytes after the end of the PNG"] if position < len(data) else [])
            return
    yield "PNG is truncated"


def _chunk(data: bytes, position: int) -> tuple[bytes, bytes, int]:
    """Kind and body of the chunk at a position, and the position after it (beyond the data if cut off)."""
    header = data[position : position + 8]
    length = int.from_bytes(header[:4], "big") if len(header) == 8 else len(data)
    return header[4:], data[position + 8 : position + 8 + length], position + 12 + length


def _chunk_problems(kind: bytes, body: bytes, crc: bytes, shape: tuple[int, int, int]) -> Iterator[str]:
    name = kind.decode("ascii", "replace")
    if kind not in (b"IHDR", b"IDAT", b"IEND"):
        yield f"PNG chunk {name} ({len(body)} bytes) is not part of the picture"
    if zlib.crc32(kind + body) != int.from_bytes(crc, "big"):
        yield f"PNG chunk {name} is damaged (checksum)"
    if kind == b"IHDR" and body != _header(shape):
        yield f"image is {_described(body)}, release.json says {_described(_header(shape))}"


def _header(shape: tuple[int, int, int]) -> bytes:
    channels, height, width = shape
    return struct.pack(">IIBBBBB", width, height, 8, _COLOR_TYPES[channels], 0, 0, 0)


def _described(header: bytes) -> str:
    if len(header) != 13:
        return "without a readable header"
    width, height, bits, color, *rest = struct.unpack(">IIBBBBB", header)
    interlaced = " interlaced" if rest[2] else ""
    return f"{width}x{height} {_COLOR_NAMES.get(color, 'unknown')} {bits}-bit{interlaced}"
