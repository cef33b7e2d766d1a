"""HEIF and AVIF as boxes (ISO 14496-12 and 23008-12): sizes before decoding, and every other image inside."""

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from unlearn.photos.picture import Damaged

PICTURES = (b"hvc1", b"av01", b"grid", b"iden", b"iovl", b"avc1", b"jpeg", b"tmap", b"unci", b"lhv1")
MAX_ITEMS = 10_000
Box = tuple[bytes, int, int]


@dataclass
class Container:
    """What the `meta` box says.

    items: type by item id. references: (kind, from, to). properties: (kind, payload) lists by item id.
    sizes: stored bytes by item id. sequence: there is a movie track.
    """

    primary: int = 0
    items: dict[int, bytes] = field(default_factory=dict)
    references: list[tuple[bytes, int, int]] = field(default_factory=list)
    properties: dict[int, list[tuple[bytes, bytes]]] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    brands: tuple[bytes, ...] = ()
    sequence: bool = False

    def described(self, kind: bytes) -> bytes:
        """The primary image's property, or that of its first tile, or nothing."""
        tiles = [to for name, source, to in self.references if name == b"dimg" and source == self.primary]
        for item in (self.primary, *tiles):
            for name, payload in self.properties.get(item, []):
                if name == kind:
                    return payload
        return b""

    @property
    def size(self) -> tuple[int, int]:
        """Stored width and height of the primary image."""
        ispe = self.described(b"ispe")
        if len(ispe) < 12:
            raise Damaged("there is no picture in it")
        width, height = struct.unpack_from(">II", ispe, 4)
        return width, height

    @property
    def coded_bytes(self) -> int:
        """Compressed bytes of the primary image with its tiles, without alpha."""
        tiles = {to for name, source, to in self.references if name == b"dimg" and source == self.primary}
        return sum(self.sizes.get(item, 0) for item in tiles | {self.primary})

    def copies(self) -> Counter[str]:
        """Images other than the primary one, its tiles and its alpha, by kind."""
        owned = {self.primary, *(to for name, _, to in self.references if name == b"dimg")}
        kinds = {b"thmb": "thumbnail", b"auxl": "auxiliary image"}
        roles: dict[int, bytes] = {}
        for name, source, _ in self.references:
            if name in kinds:
                roles.setdefault(source, name)
        found: Counter[str] = Counter()
        for item, kind in self.items.items():
            if kind not in PICTURES or item in owned:
                continue
            label = kinds[roles[item]] if item in roles else "gain map" if kind == b"tmap" else "further image"
            found[self._auxiliary(item) if label == "auxiliary image" else label] += 1
        del found[""]
        return found

    def _auxiliary(self, item: int) -> str:
        urn = next((payload for name, payload in self.properties.get(item, []) if name == b"auxC"), b"")
        if b"alpha" in urn or b"hevc:2015:auxid:1\0" in urn:
            return ""
        return "depth map" if b"depth" in urn or b"auxid:2" in urn else "gain map" if b"gainmap" in urn else (
            "auxiliary image"
        )  # fmt: skip


def parse(data: bytes) -> Container:
    """Read the boxes of a HEIF or AVIF file.

    Raises:
        Damaged: it is not one, or is cut off.
    """
    if data[4:8] != b"ftyp":
        raise Damaged("empty file" if not data else "not a file of this format")
    found = Container()
    for kind, start, stop in boxes(data, 0, len(data)):
        if kind == b"ftyp":
            found.brands = tuple(data[at : at + 4] for at in (start, *range(start + 8, stop - 3, 4)))
        elif kind == b"meta":
            _meta(found, data, start + 4, stop)
        found.sequence = found.sequence or kind == b"moov"
    if not found.items:
        raise Damaged("there is no picture in it")
    return found


def boxes(data: bytes, at: int, stop: int) -> Iterator[Box]:
    """Kind, start and end of the content of every box between two offsets."""
    while at + 8 <= stop:
        length, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if length == 1 and at + 16 <= stop:
            length, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        length = stop - at if length == 0 else length
        if length < head or at + length > stop:
            raise Damaged("the file is cut off")
        yield kind, at + head, at + length
        at += length


def _meta(found: Container, data: bytes, at: int, stop: int) -> None:
    for kind, start, end in boxes(data, at, stop):
        version = data[start] if start < end else 0
        if kind == b"pitm":
            found.primary = int.from_bytes(data[start + 4 : start + (6 if version == 0 else 8)], "big")
        elif kind == b"iinf":
            for _, entry, _ in boxes(data, start + (6 if version == 0 else 8), end):
                wide = 2 if data[entry] < 3 else 4
                item = int.from_bytes(data[entry + 4 : entry + 4 + wide], "big")
                found.items[item] = data[entry + 6 + wide : entry + 10 + wide]
        elif kind == b"iref":
            _references(found, data, start + 4, end, 2 if version == 0 else 4)
        elif kind == b"iprp":
            _properties(found, data, start, end)
        elif kind == b"iloc":
            _locations(found, data[start:end])


def _references(found: Container, data: bytes, at: int, stop: int, wide: int) -> None:
    for kind, start, end in boxes(data, at, stop):
        source = int.from_bytes(data[start : start + wide], "big")
        for place in range(start + wide + 2, end - wide + 1, wide):
            found.references.append((kind, source, int.from_bytes(data[place : place + wide], "big")))


def _properties(found: Container, data: bytes, at: int, stop: int) -> None:
    known: list[tuple[bytes, bytes]] = []
    for kind, start, end in boxes(data, at, stop):
        if kind == b"ipco":
            known = [(name, data[a:b]) for name, a, b in boxes(data, start, end)]
        elif kind == b"ipma":
            _associations(found, data[start:end], known)


def _associations(found: Container, payload: bytes, known: list[tuple[bytes, bytes]]) -> None:
    wide, large = 2 if payload[0] == 0 else 4, payload[3] & 1
    at = 8
    for _ in range(min(int.from_bytes(payload[4:8], "big"), MAX_ITEMS)):
        item, count = int.from_bytes(payload[at : at + wide], "big"), payload[at + wide]
        at += wide + 1
        for _ in range(count):
            index = int.from_bytes(payload[at : at + 1 + large], "big") & (0x7FFF if large else 0x7F)
            at += 1 + large
            if 0 < index <= len(known):
                found.properties.setdefault(item, []).append(known[index - 1])


def _locations(found: Container, payload: bytes) -> None:
    """Stored bytes of every item from the `iloc` box."""
    version = payload[0]
    offset, length, base, index = payload[4] >> 4, payload[4] & 15, payload[5] >> 4, payload[5] & 15
    index = index if version in (1, 2) else 0
    wide = 2 if version < 2 else 4
    at, step = 6 + wide, index + offset + length
    for _ in range(min(int.from_bytes(payload[6 : 6 + wide], "big"), MAX_ITEMS)):
        item = int.from_bytes(payload[at : at + wide], "big")
        at += wide + (2 if version in (1, 2) else 0) + 2 + base
        extents = int.from_bytes(payload[at : at + 2], "big")
        at += 2
        for _ in range(min(extents, (len(payload) - at) // step if step else 0)):
            at += index + offset
            found.sizes[item] = found.sizes.get(item, 0) + int.from_bytes(payload[at : at + length], "big")
            at += length
