"""ISO base media files (HEIF, AVIF) down to boxes and items: read from hostile bytes without following lies."""

from collections.abc import Iterator
from dataclasses import dataclass, field

MOST_ITEMS = 70_000
_HARMLESS = {b"hdlr", b"dinf", b"grpl", b"ipro"}
_MOST_HARMLESS = 4_096


@dataclass(frozen=True)
class Box:
    """A box: its kind, where it starts and stops, and where its content starts."""

    kind: bytes
    start: int
    body: int
    stop: int


@dataclass
class Item:
    """One item of a `meta` box: its kind, where its bytes lie, and what its properties say."""

    kind: bytes = b""
    content: bytes = b""  # the content type of `mime` items
    extents: list[tuple[int, int]] = field(default_factory=list)  # (start, stop) in the file
    properties: list[int] = field(default_factory=list)  # numbers of properties, counted from 1


@dataclass
class Meta:
    """What a `meta` box says: items by number, the main one, references (kind, from, to), and property boxes."""

    items: dict[int, Item] = field(default_factory=dict)
    primary: int = 0
    references: list[tuple[bytes, int, int]] = field(default_factory=list)
    properties: list[Box] = field(default_factory=list)
    others: list[Box] = field(default_factory=list)  # boxes that this reader does not know
    idat: tuple[int, int] = (0, 0)  # data inside the box itself
    damage: list[str] = field(default_factory=list)


def boxes(data: bytes, start: int, stop: int) -> Iterator[Box]:
    """Boxes one after the other; the last one ends early where it claims too much."""
    while start + 8 <= stop:
        size, body = int.from_bytes(data[start : start + 4], "big"), start + 8
        if size == 1:
            size, body = int.from_bytes(data[start + 8 : start + 16], "big"), start + 16
        end = stop if size == 0 else start + size
        if end < body or end > stop:
            yield Box(b"cut!", start, min(body, stop), stop)
            return
        yield Box(data[start + 4 : start + 8], start, body, end)
        start = end
    if start < stop:
        yield Box(b"cut!", start, start, stop)


class _Reader:
    """Big-endian numbers from a range of bytes; reading beyond its end gives zeros and sets `short`."""

    def __init__(self, data: bytes, start: int, stop: int):
        self.data, self.at, self.stop, self.short = data, start, stop, False

    def number(self, size: int) -> int:
        if self.at + size > self.stop:
            self.short, self.at = True, self.stop
            return 0
        self.at += size
        return int.from_bytes(self.data[self.at - size : self.at], "big")

    def text(self) -> bytes:
        end = self.data.find(b"\x00", self.at, self.stop)
        end = self.stop if end < 0 else end
        found, self.at = self.data[self.at : end], min(end + 1, self.stop)
        return found


def meta(data: bytes, box: Box) -> Meta:
    """Everything that a `meta` box says about items."""
    found = Meta()
    children = {child.kind: child for child in boxes(data, box.body + 4, box.stop)}
    if b"cut!" in children:
        found.damage.append("the item tables are damaged")
    known = _HARMLESS | {b"pitm", b"iinf", b"iref", b"iprp", b"iloc", b"idat", b"cut!"}
    found.others = [
        box
        for kind, box in children.items()
        if kind not in known or (kind in _HARMLESS and box.stop - box.body > _MOST_HARMLESS)
    ]
    readers = {b"pitm": _pitm, b"iinf": _iinf, b"iref": _iref, b"iprp": _iprp}
    for kind, read in readers.items():
        if kind in children:
            read(data, children[kind], found)
    if b"idat" in children:
        found.idat = (children[b"idat"].body, children[b"idat"].stop)
    if b"iloc" in children:
        _iloc(data, children[b"iloc"], found)
    return found


def _full(data: bytes, box: Box) -> tuple[int, int, _Reader]:
    """Version, flags, and a reader of what follows them."""
    reader = _Reader(data, box.body, box.stop)
    version, flags = reader.number(1), reader.number(3)
    return version, flags, reader


def _pitm(data: bytes, box: Box, found: Meta) -> None:
    version, _, reader = _full(data, box)
    found.primary = reader.number(4 if version else 2)


def _iinf(data: bytes, box: Box, found: Meta) -> None:
    version, _, reader = _full(data, box)
    reader.number(4 if version else 2)
    for entry in boxes(data, reader.at, box.stop):
        kind, _, row = _full(data, entry)
        if entry.kind != b"infe" or kind < 2 or len(found.items) >= MOST_ITEMS:
            found.damage.append("an item is described in an unknown way")
            return
        number = row.number(4 if kind > 2 else 2)
        row.number(2)
        item = found.items.setdefault(number, Item())
        item.kind = row.number(4).to_bytes(4, "big")
        row.text()
        item.content = row.text() if item.kind == b"mime" else b""


def _iref(data: bytes, box: Box, found: Meta) -> None:
    version, _, reader = _full(data, box)
    size = 4 if version else 2
    for entry in boxes(data, reader.at, box.stop):
        row = _Reader(data, entry.body, entry.stop)
        source = row.number(size)
        for _ in range(row.number(2)):
            target = row.number(size)
            if row.short:
                return
            found.references.append((entry.kind, source, target))


def _iprp(data: bytes, box: Box, found: Meta) -> None:
    for child in boxes(data, box.body, box.stop):
        if child.kind == b"ipco":
            found.properties += list(boxes(data, child.body, child.stop))
        if child.kind == b"ipma":
            version, flags, reader = _full(data, child)
            for _ in range(reader.number(4)):
                number = reader.number(4 if version else 2)
                for _ in range(reader.number(1)):
                    index = reader.number(2) & 0x7FFF if flags & 1 else reader.number(1) & 0x7F
                    found.items.setdefault(number, Item()).properties.append(index)
                if reader.short:
                    break


def _iloc(data: bytes, box: Box, found: Meta) -> None:
    version, _, reader = _full(data, box)
    sizes = reader.number(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    for _ in range(reader.number(4 if version == 2 else 2)):
        if reader.short:  # counts may promise anything
            return
        item = found.items.setdefault(reader.number(4 if version == 2 else 2), Item())
        method = reader.number(2) & 15 if version else 0
        reader.number(2)
        base = reader.number(base_size)
        for _ in range(reader.number(2)):
            reader.number(index_size)
            start, length = base + reader.number(offset_size), reader.number(length_size)
            first, last = found.idat if method == 1 else (0, len(data))
            start += first
            stop = start + length if length else last
            if method > 1 or stop > last or reader.short:
                found.damage.append("an item lies outside the file")
                return
            item.extents.append((start, stop))
