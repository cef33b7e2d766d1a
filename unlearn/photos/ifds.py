"""TIFF directories (IFDs), as in EXIF blocks and TIFF files: read from hostile bytes, written back compactly.

Reading never raises and never follows a loop: what lies outside the data is left out and counted as damage.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8, 129: 1}
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
MAX_DIRECTORIES = 64
MAX_ENTRIES = 1_024


@dataclass(frozen=True)
class Entry:
    """One tag: type and count as stored, and where its `size` bytes of values lie."""

    tag: int
    type: int
    count: int
    position: int
    size: int


@dataclass(frozen=True)
class Directory:
    """Entries by tag; `spans` are the bytes (start, stop) of the directory itself; `next` is 0 at the end."""

    entries: dict[int, Entry]
    span: tuple[int, int]
    next: int
    damaged: int = 0


@dataclass(frozen=True)
class Layout:
    """How a block counts: byte order `<` or `>`, and BigTIFF's wide offsets."""

    order: str
    wide: bool = False

    @property
    def header(self) -> int:
        """Bytes before the first directory may start."""
        return 16 if self.wide else 8


def layout(data: bytes) -> tuple[Layout, int] | None:
    """Layout and offset of the first directory, or None where the data starts with no TIFF header."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return None
    (version,) = struct.unpack(f"{order}H", data[2:4])
    if version == 42:
        return Layout(order), struct.unpack(f"{order}I", data[4:8])[0]
    if version == 43 and len(data) >= 16:
        return Layout(order, wide=True), struct.unpack(f"{order}Q", data[8:16])[0]
    return None


def read(data: bytes, offset: int, form: Layout) -> Directory | None:
    """The directory at an offset, or None if none can start there; the first of equal tags counts."""
    head, row = (8, 20) if form.wide else (2, 12)
    if offset < form.header or offset + head > len(data):
        return None
    (count,) = struct.unpack(f"{form.order}{'Q' if form.wide else 'H'}", data[offset : offset + head])
    start = offset + head
    fitting = min(count, (len(data) - start) // row, MAX_ENTRIES)
    room = len(data)  # values of honest directories do not overlap, so that they cannot be larger than the data
    entries: dict[int, Entry] = {}
    damaged = int(fitting < count)
    for index in range(fitting):
        entry = _entry(data, start + index * row, form)
        room -= entry.size if entry else 0
        if entry is None or entry.tag in entries or room < 0:
            damaged += 1
        else:
            entries[entry.tag] = entry
    stop = start + fitting * row
    width = 8 if form.wide else 4
    link = data[stop : stop + width]
    following = int.from_bytes(link, _endian(form)) if len(link) == width else 0
    return Directory(entries, (offset, min(stop + width, len(data))), following, damaged)


def _entry(data: bytes, position: int, form: Layout) -> Entry | None:
    tag, kind, count = struct.unpack_from(f"{form.order}HH{'Q' if form.wide else 'I'}", data, position)
    inline = position + (12 if form.wide else 8)
    width = 8 if form.wide else 4
    size = SIZES.get(kind, 0) * count
    if kind not in SIZES:
        return None
    if size <= width:
        return Entry(tag, kind, count, inline, size)
    start = int.from_bytes(data[inline : inline + width], _endian(form))
    return Entry(tag, kind, count, start, size) if start + size <= len(data) else None


def _endian(form: Layout) -> Literal["little", "big"]:
    return "little" if form.order == "<" else "big"


def value(data: bytes, entry: Entry) -> bytes:
    """The entry's bytes, in the block's byte order."""
    return data[entry.position : entry.position + entry.size]


def numbers(data: bytes, entry: Entry | None, form: Layout, limit: int = 1_000_000) -> tuple[int, ...]:
    """Whole numbers of an entry; none for other types, for a missing entry, and beyond `limit`."""
    if entry is None or entry.type not in _INTEGERS or entry.count > limit:
        return ()
    return struct.unpack(f"{form.order}{entry.count}{_INTEGERS[entry.type]}", value(data, entry))


def number(data: bytes, directory: Directory, tag: int, form: Layout) -> int | None:
    """The only number of a tag, or None."""
    found = numbers(data, directory.entries.get(tag), form, limit=1)
    return found[0] if len(found) == 1 else None


def chain(data: bytes, offset: int, form: Layout) -> Iterator[Directory]:
    """Directories linked one to the next; ends at a loop, at damage, and after MAX_DIRECTORIES."""
    seen: set[int] = set()
    while offset and offset not in seen and len(seen) < MAX_DIRECTORIES:
        seen.add(offset)
        directory = read(data, offset, form)
        if directory is None:
            return
        yield directory
        offset = directory.next


@dataclass(frozen=True)
class Field:
    """One tag to be written: `value` is in the block's byte order."""

    tag: int
    type: int
    count: int
    value: bytes


@dataclass
class Plan:
    """A directory to be written: fields, and child directories by the tag that points to them."""

    fields: list[Field] = field(default_factory=list)
    children: dict[int, "Plan"] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.fields or self.children)


def write(plan: Plan, offset: int, order: str, following: int = 0) -> bytes:
    """A directory with its values and children, as it must lie at this offset; sorted, even, deterministic."""
    rows = {f.tag: f for f in plan.fields}
    start = offset + 2 + 12 * (len(rows) + len(plan.children)) + 4
    tail = b""
    for tag, child in sorted(plan.children.items()):
        rows[tag] = Field(tag, 4, 1, struct.pack(f"{order}I", start + len(tail)))
        tail += write(child, start + len(tail), order)
    table = struct.pack(f"{order}H", len(rows))
    for _, row in sorted(rows.items()):
        inline = row.value
        if len(row.value) > 4:
            inline = struct.pack(f"{order}I", start + len(tail))
            tail += row.value + b"\x00" * (len(row.value) % 2)
        table += struct.pack(f"{order}HHI", row.tag, row.type, row.count) + inline.ljust(4, b"\x00")
    return table + struct.pack(f"{order}I", following) + tail
