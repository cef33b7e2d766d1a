"""PNG: one picture in known chunks with correct checksums, and nothing after the last one."""

import zlib
from collections.abc import Iterator

from unlearn.photos import signatures
from unlearn.photos.scans import _embedded

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PLAIN = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"pHYs", b"tIME"}
_PLAIN |= {b"hIST", b"cICP", b"mDCV", b"mDCv", b"cLLI", b"cLLi", b"oFFs"}
_ONCE = {b"IHDR", b"PLTE", b"eXIf", b"iCCP", b"IEND"}
_FRAMES = {b"acTL", b"fcTL", b"fdAT"}
_XMP = b"XML:com.adobe.xmp"
_MOST_INFLATED = 4_000_000


def findings(data: bytes) -> Iterator[str]:
    """What a PNG holds besides one picture, its color profile, EXIF, XMP and harmless texts."""
    if not data.startswith(SIGNATURE):
        yield "does not start as a PNG"
        return
    position, seen = len(SIGNATURE), set[bytes]()
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        kind = data[position + 4 : position + 8]
        stop = position + 12 + length
        if stop > len(data):
            break
        body = memoryview(data)[position + 8 : stop - 4]
        if zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(data[stop - 4 : stop], "big"):
            yield f"chunk {_shown(kind)} has a wrong checksum"
        if kind in seen & _ONCE:
            yield f"a second chunk {_shown(kind)}"
        seen.add(kind)
        yield from _chunk(kind, body)
        position = stop
        if kind == b"IEND":
            yield from _behind(data[position:])
            return
    yield "ends without an end chunk"


def exif_block(data: bytes) -> bytes | None:
    """The EXIF block of a well-formed PNG, or None."""
    position = len(SIGNATURE)
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        if data[position + 4 : position + 8] == b"eXIf":
            return data[position + 8 : position + 8 + length]
        position += 12 + length
    return None


def _shown(kind: bytes) -> str:
    return kind.decode("ascii", "backslashreplace")


def _behind(rest: bytes) -> Iterator[str]:
    if rest:
        kinds = [kind for kind, _ in signatures.find(rest)]
        yield f"{len(rest)} bytes after the end of the picture" + (f" ({', '.join(kinds)})" if kinds else "")


def _chunk(kind: bytes, body: memoryview) -> Iterator[str]:
    if kind in _FRAMES:
        yield f"animation frames (chunk {_shown(kind)})"
    elif kind == b"eXIf":
        yield from _embedded.exif(bytes(body))
    elif kind == b"iCCP":
        profile = _inflated(bytes(body).partition(b"\x00")[2][1:])
        yield from _embedded.profile(profile) if profile is not None else ["the color profile is damaged"]
    elif kind in (b"tEXt", b"zTXt", b"iTXt"):
        yield from _text(kind, bytes(body))
    elif kind not in _PLAIN:
        yield f"an unknown chunk {_shown(kind)} of {len(body)} bytes"
    elif kind not in (b"IDAT", b"PLTE", b"tRNS", b"hIST") and len(body) > 64:
        yield f"chunk {_shown(kind)} has {len(body)} bytes"


def _text(kind: bytes, body: bytes) -> Iterator[str]:
    keyword, _, rest = body.partition(b"\x00")
    content: bytes | None = rest
    if kind == b"zTXt":
        content = _inflated(rest[1:])
    elif kind == b"iTXt":
        text = rest[2:].split(b"\x00", 2)[-1]
        content = _inflated(text) if rest[:1] == b"\x01" else text
    name = f"text chunk {keyword[:40].decode('latin-1')!r}"
    if content is None:
        yield f"{name} cannot be inflated within {_MOST_INFLATED:,} bytes"
    elif keyword.startswith(b"Raw profile type"):
        yield f"{name} holds metadata in hexadecimal digits"
    elif kind == b"iTXt" and keyword == _XMP:
        yield from _embedded.packet(content)
    else:
        yield from _embedded.texts(content, name)


def _inflated(data: bytes) -> bytes | None:
    """The whole content, or None if it is damaged, larger than it may be, or followed by something else."""
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(data, _MOST_INFLATED)
    except zlib.error:
        return None
    return content if stream.eof and not stream.unused_data else None
