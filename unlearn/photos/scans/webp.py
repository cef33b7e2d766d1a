"""WebP: one picture in RIFF chunks, and nothing after the container."""

from collections.abc import Iterator

from unlearn.photos import signatures
from unlearn.photos.scans import _embedded

_PICTURE = {b"VP8 ", b"VP8L"}
_PLAIN = {b"VP8X", b"ALPH"}


def findings(data: bytes) -> Iterator[str]:
    """What a WebP file holds besides one picture, its alpha, color profile, EXIF and XMP."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        yield "does not start as a WebP"
        return
    stop = 8 + int.from_bytes(data[4:8], "little")
    if stop > len(data):
        yield "is cut off"
    seen: set[bytes] = set()
    for kind, body in chunks(data):
        twice = kind in seen or (kind in _PICTURE and seen & _PICTURE)
        seen.add(kind)
        yield from [f"a second chunk {_shown(kind)}"] if twice else _chunk(kind, body)
    if not seen & _PICTURE:
        yield "holds no picture"
    rest = data[stop:]
    if rest:
        kinds = [found for found, _ in signatures.find(rest)]
        yield f"{len(rest)} bytes after the end of the file" + (f" ({', '.join(kinds)})" if kinds else "")


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the chunks inside the container."""
    position, stop = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while position + 8 <= stop:
        size = int.from_bytes(data[position + 4 : position + 8], "little")
        yield data[position : position + 4], data[position + 8 : min(position + 8 + size, stop)]
        position += 8 + size + size % 2


def exif_block(data: bytes) -> bytes | None:
    """The EXIF block, or None."""
    return next((body for kind, body in chunks(data) if kind == b"EXIF"), None)


def _shown(kind: bytes) -> str:
    return kind.decode("ascii", "backslashreplace").strip()


def _chunk(kind: bytes, body: bytes) -> Iterator[str]:
    if kind in (b"ANIM", b"ANMF"):
        yield f"animation frames (chunk {_shown(kind)})"
    elif kind == b"EXIF":
        yield from _embedded.exif(body)
    elif kind == b"XMP ":
        yield from _embedded.packet(body)
    elif kind == b"ICCP":
        yield from _embedded.profile(body)
    elif kind == b"VP8X" and len(body) > 10:
        yield f"chunk VP8X has {len(body)} bytes"
    elif kind not in _PICTURE | _PLAIN:
        yield f"an unknown chunk {_shown(kind)} of {len(body)} bytes"
