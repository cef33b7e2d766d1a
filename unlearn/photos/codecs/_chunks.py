"""PNG as chunks: which are kept, which are dropped, and how a file is put together again."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from unlearn.photos.codecs._guard import chunk_label
from unlearn.photos.picture import Damaged

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
# What the code values mean and how large they print: numbers only, no pixels, no names.
KEPT = (b"cICP", b"mDCV", b"cLLI", b"sRGB", b"gAMA", b"cHRM", b"pHYs")
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
XMP_KEY = b"XML:com.adobe.xmp"
RAW_EXIF = (b"Raw profile type exif", b"Raw profile type APP1")
MAX_INFLATED = 16_000_000
PALETTE = 3
CHANNELS = {0: 1, 2: 3, PALETTE: 1, 4: 2, 6: 4}
# Adam7: first row and column, steps down and across, of each pass.
PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
STEP = 1 << 20


@dataclass
class Chunks:
    """A PNG taken apart.

    color: PNG's color type. picture: the file's pieces without any metadata, for the decoder.
    kept: chunks that are written again. clear: the one transparent color of gray or RGB, as stored.
    trailing: bytes behind the end.
    """

    width: int
    height: int
    depth: int
    color: int
    picture: list[bytes]
    kept: list[tuple[bytes, bytes]] = field(default_factory=list)
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    animated: bool = False
    interlaced: bool = False
    clear: bytes = b""
    trailing: int = 0
    dropped: Counter[str] = field(default_factory=Counter)


def split(data: bytes) -> Chunks:
    """Take a PNG apart.

    Raises:
        Damaged: it is not one, or is cut off.
    """
    width, height, depth, color = header(data)
    found = Chunks(width, height, depth, color, [SIGNATURE], interlaced=data[28] != 0)
    stop = 8
    for kind, start, length in walk(data):
        stop = start + length + 4
        if kind == b"tRNS" and color != PALETTE:
            found.clear = data[start : start + length]
        elif kind in PICTURE:
            found.picture.append(data[start - 8 : stop])
        else:
            _take(found, kind, data[start : start + length])
    found.trailing = len(data[stop:].strip(b"\0"))
    return found


def header(data: bytes) -> tuple[int, int, int, int]:
    """Width, height, bit depth and color type."""
    if data[:8] != SIGNATURE:
        raise Damaged("png: empty file" if not data else "png: not a file of this format")
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise Damaged("png: ends inside its header")
    width, height, depth, color = struct.unpack_from(">IIBB", data, 16)
    return width, height, depth, color


def walk(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and length of every chunk's content, up to IEND."""
    at, kind = 8, b""
    while kind != b"IEND":
        length = struct.unpack_from(">I", data, at)[0] if at + 12 <= len(data) else len(data)
        if at + 12 + length > len(data):
            raise Damaged("png: the file is cut off")
        kind = data[at + 4 : at + 8]
        yield kind, at + 8, length
        at += 12 + length


def check_complete(found: Chunks) -> None:
    """Count the picture's bytes: decoders take a compressed stream that ends early for whole, and the rest is black.

    Raises:
        Damaged: there are too few.
    """
    missing, machine = _stored(found), zlib.decompressobj()
    for piece in found.picture:
        part = piece[8:-4] if piece[4:8] == b"IDAT" else b""
        while part and missing > 0 and not machine.eof:
            missing -= len(machine.decompress(part, STEP))
            part = machine.unconsumed_tail
    if missing > len(machine.flush()):
        raise Damaged("png: the file is cut off")


def _stored(found: Chunks) -> int:
    """Bytes of all rows, each with the number of its filter in front."""
    passes = PASSES if found.interlaced else ((0, 0, 1, 1),)
    total = 0
    for row, column, down, across in passes:
        width, height = -(-(found.width - column) // across), -(-(found.height - row) // down)
        total += height * (1 + (width * found.depth * CHANNELS[found.color] + 7) // 8) if width > 0 < height else 0
    return total


def _take(found: Chunks, kind: bytes, content: bytes) -> None:
    """Sort a chunk that holds no picture data."""
    if kind in KEPT:
        found.kept.append((kind, content))
    elif kind == b"iCCP":
        found.icc = inflated(content.partition(b"\0")[2][1:])
    elif kind == b"eXIf":
        found.exif = content
    elif kind == b"acTL":
        found.animated = True
    elif kind in TEXTS:
        _take_text(found, kind, content)
    else:
        found.dropped[chunk_label(kind)] += 1


def _take_text(found: Chunks, kind: bytes, content: bytes) -> None:
    key, _, rest = content.partition(b"\0")
    if kind == b"iTXt" and key == XMP_KEY and len(rest) >= 2:
        text = rest[2:].split(b"\0", 2)[-1]
        found.xmp = inflated(text) if rest[0] else text
    elif key in RAW_EXIF and found.exif is None:
        found.exif = _raw_profile(inflated(rest[1:]) if kind == b"zTXt" else rest)
        found.dropped["text"] += found.exif is None
    else:
        found.dropped["text"] += 1


def _raw_profile(text: bytes | None) -> bytes | None:
    """EXIF as ImageMagick once wrote it into text: a name, a length, hexadecimal lines."""
    lines = (text or b"").split(b"\n", 3)
    try:
        raw = bytes.fromhex(b"".join(lines[3].split()).decode("ascii"))
    except (IndexError, ValueError):
        return None
    return raw.removeprefix(b"Exif\0\0") or None


def inflated(content: bytes) -> bytes | None:
    """Decompressed bytes; None if they are damaged or absurdly many."""
    machine = zlib.decompressobj()
    try:
        found = machine.decompress(content, MAX_INFLATED)
    except zlib.error:
        return None
    return found if machine.eof else None


def deflated(content: bytes) -> bytes:
    """Compressed bytes, the same for the same content."""
    return zlib.compress(content, 9)


def chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk with its length and check sum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_metadata(png: bytes, extra: list[bytes]) -> bytes:
    """A freshly encoded PNG with chunks put behind its header, and with nothing else but its picture."""
    parts = [data_slice(png, *found) for found in walk(png) if found[0] in PICTURE]
    return b"".join([SIGNATURE, parts[0], *extra, *parts[1:]])


def data_slice(data: bytes, kind: bytes, start: int, length: int) -> bytes:
    """A whole chunk as it stands in the file."""
    return data[start - 8 : start + length + 4]
