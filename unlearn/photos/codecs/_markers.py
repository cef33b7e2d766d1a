"""JPEG as marker segments: what the header says, where the main picture ends, and what hides behind it."""

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from unlearn.photos.codecs import _directories
from unlearn.photos.picture import Damaged

SOI, EOI, SOS, DHT = 0xD8, 0xD9, 0xDA, 0xC4
FRAMES = {0xC0 + n for n in range(16)} - {0xC4, 0xC8, 0xCC}
ALONE = {0x01, *range(0xD0, 0xD9)}
GAIN_MAPS = (b"hdrgm:", b"HDRGainMap", b"urn:iso:std:iso:ts:21496")
# Code counts by length of the four example Huffman tables of ITU T.81, annex K.3, by class and slot.
STANDARD_TABLES = {
    0x00: bytes((0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0)),
    0x01: bytes((0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0)),
    0x10: bytes((0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D)),
    0x11: bytes((0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77)),
}
PARTS = 32


class Segment(NamedTuple):
    """A marker and where its payload lies."""

    marker: int
    start: int
    stop: int


@dataclass(frozen=True)
class Header:
    """What stands before the first compressed byte.

    process: 0 baseline, 1 extended, 2 progressive, 3 lossless, 9 and 10 arithmetic ... (the SOF number).
    optimized: its Huffman tables were made for this picture. scan: offset of the first compressed byte.
    apps: application segments and comments as (marker, payload).
    """

    width: int
    height: int
    precision: int
    components: int
    process: int
    optimized: bool
    scan: int
    apps: list[tuple[int, bytes]] = field(repr=False)


def segments(data: bytes, at: int = 2) -> Iterator[Segment]:
    """Marker segments up to and including SOS or EOI."""
    while True:
        if at + 2 > len(data) or data[at] != 0xFF:
            raise Damaged("jpeg: ends inside its header" if at + 2 > len(data) else "jpeg: its header is damaged")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        at += 2
        if marker in ALONE:
            continue
        if marker == EOI:
            yield Segment(marker, at, at)
            return
        length = struct.unpack_from(">H", data, at)[0] if at + 2 <= len(data) else 0
        if length < 2 or at + length > len(data):
            raise Damaged("jpeg: ends inside its header")
        yield Segment(marker, at + 2, at + length)
        if marker == SOS:
            return
        at += length


def header(data: bytes) -> Header:
    """Read the header of a JPEG.

    Raises:
        Damaged: it is not one, or is cut off or broken.
    """
    if data[:2] != b"\xff\xd8":
        raise Damaged("jpeg: empty file" if not data else "jpeg: not a file of this format")
    frame, process, scan, optimized = b"", -1, Segment(0, 0, 0), False
    apps = []
    for segment in segments(data):
        payload = data[segment.start : segment.stop] if segment.marker not in (SOS, EOI) else b""
        if segment.marker in FRAMES and process < 0:
            frame, process = payload, segment.marker - 0xC0
        elif segment.marker == DHT:
            optimized = optimized or not _standard(payload)
        elif 0xE0 <= segment.marker <= 0xEF or segment.marker == 0xFE:
            apps.append((segment.marker, payload))
        scan = segment
    if len(frame) < 6 or scan.marker != SOS or scan.stop == scan.start:
        raise Damaged("jpeg: there is no picture in it")
    precision, height, width, components = struct.unpack_from(">BHHB", frame)
    return Header(width, height, precision, components, process, optimized, scan.stop, apps)


def _standard(payload: bytes) -> bool:
    """True if every Huffman table has the code lengths of the standard's example tables, as most cameras write."""
    at = 0
    while at + 17 <= len(payload):
        counts = payload[at + 1 : at + 17]
        if STANDARD_TABLES.get(payload[at]) != counts:
            return False
        at += 17 + sum(counts)
    return True


def end(data: bytes, found: Header) -> int:
    """Offset behind the picture's EOI, or the length of the data if there is none."""
    at = found.scan
    codes = np.frombuffer(data, np.uint8)
    marks = at + np.flatnonzero(codes[at:-1] == 0xFF)
    following = codes[marks + 1]
    marks = marks[(following != 0) & (following != 0xFF) & ((following & 0xF8) != 0xD0)]
    for mark in marks.tolist():
        if mark < at:
            continue
        if data[mark + 1] == EOI:
            return mark + 2
        at = mark + 2 + int.from_bytes(data[mark + 2 : mark + 4], "big")
    return len(data)


def behind(data: bytes, stop: int, found: Header) -> Counter[str]:
    """Count what follows the main picture: gain maps, previews, stereo views, a motion video, other data."""
    counts: Counter[str] = Counter()
    tail = data[stop:]
    if not tail.strip(b"\0"):
        return counts
    video = tail.find(b"ftyp")
    pictures = tail if video < 4 else tail[: video - 4]
    stereo = _stereo(found)
    at = rest = 0
    while counts.total() < PARTS and (at := pictures.find(b"\xff\xd8\xff", rest)) >= 0:
        counts["trailing data"] |= bool(pictures[rest:at].strip(b"\0"))
        part = pictures[at:]
        try:
            inner = header(part)
            rest = at + end(part, inner)
        except Damaged:
            counts["preview"] += 1
            rest = len(pictures)
            break
        hdr = any(mark in payload for _, payload in inner.apps for mark in GAIN_MAPS)
        counts["gain map" if hdr else "stereo view" if stereo else "preview"] += 1
    if video >= 4:
        counts["motion video"] += 1
    elif pictures[rest:].strip(b"\0"):
        counts["trailing data"] = 1
    return +counts


def _stereo(found: Header) -> bool:
    """True if the multi-picture index (CIPA DC-007) lists the disparity or multi-angle views of a stereo camera."""
    for marker, payload in found.apps:
        if marker == 0xE2 and payload[:4] == b"MPF\0":
            entries = _directories.read(payload[4:]).get(0xB002)
            order = "<" if payload[4:6] == b"II" else ">"
            raw = entries.data if isinstance(entries, _directories.Value) else b""
            kinds = [struct.unpack_from(order + "I", raw, i)[0] & 0xFFFFFF for i in range(0, len(raw) - 15, 16)]
            return any(kind in (0x020002, 0x020003) for kind in kinds)
    return False
