"""JPEG: segments up to the scans, entropy-coded data skipped, and nothing after the end of the image."""

import re
from collections.abc import Iterator

from unlearn.photos import signatures, xmp
from unlearn.photos.scans import _embedded

SOI = b"\xff\xd8"
_EOI, _SOS, _COM, _TEM = 0xD9, 0xDA, 0xFE, 0x01
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TABLES = {0xC4, 0xCC, 0xDB, 0xDC, 0xDD}
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_ALONE = frozenset({*range(0xD0, 0xD8), _TEM})
_ICC = b"ICC_PROFILE\x00"
_EXIF = b"Exif\x00\x00"
_GAIN_MAP = b"urn:iso:std:iso:ts:21496"


def findings(data: bytes, *, bare: bool = False) -> Iterator[str]:
    """What a JPEG holds besides one picture, its color profile, EXIF, XMP and a comment.

    Args:
        bare: the JPEG is a thumbnail, which has no metadata of its own.
    """
    if not data.startswith(SOI):
        yield "does not start as a JPEG"
        return
    walk = _Walk(data, bare)
    yield from walk.segments()
    yield from _embedded.profile(bytes(walk.icc)) if walk.icc else ()


def exif_block(data: bytes) -> bytes | None:
    """The first EXIF block of a JPEG, without its marker."""
    walk = _Walk(data)
    list(walk.segments())
    return walk.exif


class _Walk:
    def __init__(self, data: bytes, bare: bool = False):
        self.data, self.bare = data, bare
        self.frames = 0
        self.icc = bytearray()
        self.exif: bytes | None = None
        self.packets = 0

    def segments(self) -> Iterator[str]:
        """Findings of every segment, in order."""
        position = 2
        while True:
            marker, position, skipped = self._marker(position)
            if skipped:
                yield f"{skipped} bytes between two segments"
            if marker is None:
                yield "ends without an end-of-image marker"
                return
            if marker == _EOI:
                yield from self._end(position)
                return
            if marker == 0xD8:
                yield f"a second JPEG starts inside, at byte {position - 2}"
                return
            if marker in _ALONE:
                continue
            length = int.from_bytes(self.data[position : position + 2], "big")
            if length < 2 or position + length > len(self.data):
                yield f"a segment at byte {position - 2} is cut off"
                return
            yield from self._segment(marker, self.data[position + 2 : position + length])
            position += length
            position = self._after_scan(position) if marker == _SOS else position

    def _marker(self, position: int) -> tuple[int | None, int, int]:
        """The next marker, the position behind it, and how many bytes lay before it."""
        match = _MARKER.search(self.data, position)
        if match is None:
            return None, len(self.data), 0
        before = self.data[position : match.start()].lstrip(b"\xff")  # fill bytes are legal
        return self.data[match.end() - 1], match.end(), len(before)

    def _after_scan(self, position: int) -> int:
        match = _END_OF_SCAN.search(self.data, position)
        return match.start() if match else len(self.data)

    def _end(self, position: int) -> Iterator[str]:
        if self.frames != 1:
            yield f"holds {self.frames} frames"
        rest = self.data[position:]
        if rest:
            kinds = [kind for kind, _ in signatures.find(rest)]
            yield f"{len(rest)} bytes after the end of the image" + (f" ({', '.join(kinds)})" if kinds else "")

    def _segment(self, marker: int, body: bytes) -> Iterator[str]:
        if marker in _FRAMES:
            self.frames += 1
        elif marker == _COM:
            yield from _embedded.texts(body, "the comment")
        elif 0xE0 <= marker <= 0xEF:
            yield from self._application(marker - 0xE0, body)
        elif marker not in _TABLES and marker != _SOS:
            yield f"an unknown segment 0x{marker:02X} of {len(body)} bytes"

    def _application(self, number: int, body: bytes) -> Iterator[str]:
        if number == 0 and body.startswith(b"JFIF\x00"):
            if len(body) > 14:
                yield f"a thumbnail in the JFIF segment ({len(body) - 14} bytes)"
        elif self.bare and number in (1, 2):
            yield f"metadata of its own ({len(body)} bytes)"
        elif number == 1 and body.startswith(_EXIF):
            if self.exif is not None:
                yield "a second EXIF block"
            self.exif = self.exif or body[len(_EXIF) :]
            yield from _embedded.exif(body)
        elif number == 1 and body.startswith(xmp.STANDARD):
            self.packets += 1
            if self.packets > 1:
                yield "a second XMP packet"
            yield from _embedded.packet(body[len(xmp.STANDARD) :])
        elif number == 2 and body.startswith(_ICC):
            self.icc += body[len(_ICC) + 2 :]
        elif number != 14 or not body.startswith(b"Adobe") or len(body) > 12:
            yield _named(number, body)


def _named(number: int, body: bytes) -> str:
    """A sentence for a segment that protected photos do not have."""
    size = f"{len(body)} bytes"
    if number == 0 and body.startswith(b"JFXX\x00"):
        return f"a JFXX thumbnail ({size})"
    if number == 1 and body.startswith(xmp.EXTENSION):
        return f"extended XMP, which may hold pictures ({size})"
    if number == 2 and body.startswith(b"MPF\x00"):
        return f"an index of further pictures (MPF, {size})"
    if number == 2 and body.startswith(b"FPXR\x00"):
        return f"a FlashPix stream ({size})"
    if number == 2 and body.startswith(_GAIN_MAP):
        return f"gain map data ({size})"
    if number == 13 and body.startswith(b"Photoshop 3.0\x00"):
        preview = any(resource in (1033, 1036) for resource in _resources(body[14:]))
        return f"a Photoshop block with a thumbnail ({size})" if preview else f"a Photoshop block ({size})"
    return f"an unknown application segment APP{number} ({size})"


def _resources(body: bytes) -> Iterator[int]:
    """Numbers of the image resources of a Photoshop block."""
    position = 0
    while body[position : position + 4] == b"8BIM":
        yield int.from_bytes(body[position + 4 : position + 6], "big")
        name = body[position + 6] + 1 if position + 6 < len(body) else 1
        position += 6 + name + name % 2
        size = int.from_bytes(body[position : position + 4], "big")
        position += 4 + size + size % 2
