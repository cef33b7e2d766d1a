"""TIFF's own tags as metadata: taken out as an EXIF block, XMP and profile, and put into a written file."""

import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from unlearn.photos.blocks import Blocks
from unlearn.photos.codecs import _directories
from unlearn.photos.codecs._directories import ORIENTATION, Directory, Value
from unlearn.photos.picture import Picture

XMP, IPTC, PHOTOSHOP, ICC, LAYERS = 700, 33723, 34377, 34675, 37724
RESOLUTION = (282, 283, 296)
# How the picture is stored: of the written file, never of the source. 513 and 514 are an old thumbnail.
STRUCTURE = {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288, 289,
             290, 291, 292, 293, 317, 320, 322, 323, 324, 325, 330, 332, 333, 334, 336, 337, 338, 339, 340, 341, 342,
             347, *range(512, 522), 529, 530, 531, 532, XMP, IPTC, PHOTOSHOP, ICC, LAYERS}  # fmt: skip


@dataclass
class Taken:
    """Metadata of a TIFF as other formats hold it."""

    orientation: int = 1
    exif: bytes | None = None
    xmp: bytes | None = None
    icc: bytes | None = None
    resolution: Directory = field(default_factory=dict)
    copies: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)


def taken(data: bytes, page: Any) -> Taken:
    """What the first directory says besides the picture's storage."""
    found = Taken()
    number = page.tags.valueof(ORIENTATION, 1)
    found.orientation = int(number) if isinstance(number, int) and 1 <= number <= 8 else 1
    found.xmp, found.icc = (_bytes(page, tag) for tag in (XMP, ICC))
    photoshop = _bytes(page, PHOTOSHOP) or b""
    found.copies["Photoshop preview"] += b"8BIM\x04\x0c" in photoshop or b"8BIM\x04\x09" in photoshop
    found.copies["Photoshop layers"] += LAYERS in page.tags
    found.dropped["IPTC record"] += IPTC in page.tags
    directory = _directories.read(data) if data[2:4] in (b"*\0", b"\0*") else {}
    found.resolution = {tag: directory[tag] for tag in RESOLUTION if tag in directory}
    kept: Directory = {tag: value for tag, value in directory.items() if tag not in STRUCTURE}
    if kept:
        found.exif = _directories.block(kept)
    elif not directory:
        found.dropped["BigTIFF metadata"] = 1
    found.copies, found.dropped = +found.copies, +found.dropped
    return found


def _bytes(page: Any, tag: int) -> bytes | None:
    value = page.tags.valueof(tag)
    if isinstance(value, str):
        return value.encode()
    return bytes(value) if isinstance(value, bytes | bytearray) and value else None


def put(tiff: bytes, blocks: Blocks, picture: Picture) -> bytes:
    """The file with a new first directory at its end that holds the old one's tags and the metadata."""
    directory = _directories.read(tiff)
    extra: Directory = {tag: v for tag, v in _directories.read(blocks.exif or b"").items() if tag not in STRUCTURE}
    extra = {**picture.settings.get("resolution", {}), **extra}
    if blocks.xmp:
        extra[XMP] = Value(1, len(blocks.xmp), blocks.xmp)
    if blocks.icc:
        extra[ICC] = Value(7, len(blocks.icc), blocks.icc)
    if picture.orientation != 1:
        extra[ORIENTATION] = _directories.short(picture.orientation)
    else:
        extra.pop(ORIENTATION, None)
    tiff += b"\0" * (len(tiff) % 2)
    return tiff[:4] + struct.pack("<I", len(tiff)) + tiff[8:] + _directories.write({**directory, **extra}, len(tiff))
