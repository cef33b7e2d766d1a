"""TIFF directories (IFDs), in which EXIF, multi-picture JPEG and TIFF itself keep their tags.

Values are held little-endian whatever the source's order, so that directories of two files can be merged.
"""

import struct
from dataclasses import dataclass
from typing import TypeAlias, Union

import numpy as np

ORIENTATION = 0x0112
EXIF, GPS, INTEROP = 0x8769, 0x8825, 0xA005
POINTERS = (EXIF, GPS, INTEROP)
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
WORDS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 1, 7: 1, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}
MAX_ENTRIES = 4096
DEPTH = 4


@dataclass(frozen=True)
class Value:
    """One tag's value: TIFF type, count, little-endian bytes."""

    type: int
    count: int
    data: bytes

    @property
    def first(self) -> int:
        """The first number of a BYTE, SHORT or LONG value; 0 of anything else."""
        formats = {1: "<B", 3: "<H", 4: "<I"}
        if self.type not in formats or len(self.data) < SIZES[self.type]:
            return 0
        return int(struct.unpack_from(formats[self.type], self.data)[0])


Directory: TypeAlias = dict[int, Union[Value, "Directory"]]


@dataclass
class _Room:
    """What may still be read. Hostile blocks hold loops, and thousands of tags that share one large value."""

    bytes: int
    entries: int = 2 * MAX_ENTRIES


def read(block: bytes) -> Directory:
    """The first directory, with EXIF, GPS and interoperability inside it.

    Entries that point outside the block or have an unknown type are passed over: metadata is never worth an error.
    """
    return _read(block, None, 0, _Room(2 * len(block)))


def _read(block: bytes, offset: int | None, depth: int, room: _Room) -> Directory:
    order = {b"II": "<", b"MM": ">"}.get(block[:2], "")
    if not order or len(block) < 8 or depth > DEPTH:
        return {}
    at = struct.unpack_from(order + "I", block, 4)[0] if offset is None else offset
    if at + 2 > len(block):
        return {}
    found: Directory = {}
    count = min(struct.unpack_from(order + "H", block, at)[0], MAX_ENTRIES, (len(block) - at - 2) // 12)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, type_, number = struct.unpack_from(order + "HHI", block, entry)
        room.entries -= 1
        if room.entries < 0:
            break
        value = _value(block, order, entry, type_, number, room)
        if value is None:
            continue
        found[tag] = _read(block, value.first, depth + 1, room) if tag in POINTERS else value
    return found


def _value(block: bytes, order: str, entry: int, type_: int, number: int, room: _Room) -> Value | None:
    size = SIZES.get(type_, 0) * number
    start = entry + 8 if size <= 4 else struct.unpack_from(order + "I", block, entry + 8)[0]
    if not size or start + size > len(block) or size > room.bytes:
        return None
    room.bytes -= size
    data = block[start : start + size]
    return Value(type_, number, data if order == "<" else _swapped(data, WORDS[type_]))


def _swapped(data: bytes, word: int) -> bytes:
    return np.frombuffer(data, f">u{word}").astype(f"<u{word}").tobytes() if word > 1 else data


def write(directory: Directory, base: int) -> bytes:
    """The directory, its values and sub-directories as little-endian bytes to be placed at offset `base` (even)."""
    entries = []
    tail = b""
    start = base + 2 + 12 * len(directory) + 4
    for tag in sorted(directory):
        value = directory[tag]
        if isinstance(value, dict):
            place = start + len(tail)
            tail += write(value, place)
            value = Value(4, 1, struct.pack("<I", place))
        inline = value.data.ljust(4, b"\0")
        if len(value.data) > 4:
            inline = struct.pack("<I", start + len(tail))
            tail += value.data + b"\0" * (len(value.data) % 2)
        entries.append(struct.pack("<HHI", tag, value.type, value.count) + inline)
    return struct.pack("<H", len(entries)) + b"".join(entries) + b"\0\0\0\0" + tail


def block(directory: Directory) -> bytes:
    """A self-contained block that starts with the TIFF header, as EXIF is stored everywhere."""
    return b"II*\0\x08\0\0\0" + write(directory, 8)


def short(number: int) -> Value:
    """A value of one 16-bit number."""
    return Value(3, 1, struct.pack("<H", number))


def orientation(exif: bytes | None) -> int:
    """The orientation in an EXIF block, 1 to 8; 1 where there is none or a wrong one."""
    found = read(exif or b"").get(ORIENTATION)
    number = found.first if isinstance(found, Value) else 1
    return number if 1 <= number <= 8 else 1


def upright_exif(exif: bytes) -> bytes:
    """The block with its orientation set to 1 in place; for decoders that have turned the pixels already."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2], "")
    if orientation(exif) == 1 or not order:
        return exif
    at = struct.unpack_from(order + "I", exif, 4)[0]
    for entry in range(at + 2, at + 2 + 12 * struct.unpack_from(order + "H", exif, at)[0], 12):
        if struct.unpack_from(order + "H", exif, entry)[0] == ORIENTATION:
            type_ = struct.unpack_from(order + "H", exif, entry + 2)[0]
            one = struct.pack({3: order + "H", 4: order + "I"}.get(type_, "B"), 1)
            return exif[: entry + 8] + one + exif[entry + 8 + len(one) :]
    return exif


def bare(exif: bytes | None) -> bytes | None:
    """An EXIF block without the `Exif\\0\\0` that some containers and libraries put in front of it."""
    if exif and exif[:6] == b"Exif\0\0":
        exif = exif[6:]
    return exif if exif and exif[:4] in (b"II*\0", b"MM\0*") else None
