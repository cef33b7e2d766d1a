"""EXIF blocks rebuilt from an allow-list of tags, so that nothing travels in them that nobody has looked at.

Maker notes and previews never stay; a thumbnail is written only if it is handed in.
"""

import struct
from collections import Counter
from dataclasses import dataclass

from unlearn.photos import exif_tags as tags
from unlearn.photos import ifds, signatures

PREFIX = b"Exif\x00\x00"
MAX_BYTES = 4_000_000  # of a source block; HEIF and PNG have no limit of their own
_ROOM = 40_000  # of values, so that a thumbnail still fits into one JPEG segment of 65,533 bytes
_SEGMENT = 65_000
_CODES = (b"ASCII\x00\x00\x00", b"UNICODE\x00", b"JIS\x00\x00\x00\x00\x00", b"\x00" * 8)
_SPACES = "\t\n\r\ufeff\xa0\u3000"


@dataclass(frozen=True)
class Frame:
    """The stored picture that the block is going to describe."""

    width: int
    height: int
    orientation: int


def stripped(data: bytes) -> bytes:
    """The block without the `Exif` marker that JPEG puts before it and some writers repeat."""
    return data[len(PREFIX) :] if data.startswith(PREFIX) else data


def orientation(data: bytes | None) -> int:
    """1 to 8, as the block says; 1 where it says nothing usable."""
    block = stripped(data or b"")
    start = ifds.layout(block)
    directory = ifds.read(block, start[1], start[0]) if start else None
    found = ifds.number(block, directory, tags.ORIENTATION, start[0]) if start and directory else None
    return found if found is not None and 1 <= found <= 8 else 1


def has_thumbnail(data: bytes | None) -> bool:
    """True if a second directory (IFD1) exists, which is where thumbnails are."""
    block = stripped(data or b"")
    start = ifds.layout(block)
    return start is not None and len(list(ifds.chain(block, start[1], start[0]))) > 1


def rebuild(
    data: bytes | None, groups: frozenset[str], frame: Frame, thumbnail: bytes | None = None
) -> tuple[bytes | None, Counter[str]]:
    """A new block with the allowed tags of an old one, and the kinds of what was dropped, each counted once.

    Args:
        data: the source's block, or None. groups: those of `exif_tags.kept_groups`.
        frame: orientation and sizes are set to it; the orientation always, sizes where the source names them.
        thumbnail: a JPEG for IFD1, made from protected pixels.

    The byte order is the source's. Never raises: what cannot be read is dropped as "damaged EXIF".
    """
    block = stripped(data or b"")
    source = _Source(block[:MAX_BYTES], groups)
    plan = source.plan()
    _set_frame(plan, source.form.order, frame, "layout" in groups)
    if not plan and thumbnail is None:
        return None, source.dropped
    if not plan.fields:
        plan.fields.append(_orientation(source.form.order, frame))
    return _assemble(plan, source.form.order, thumbnail), source.dropped


class _Source:
    """One block being read; what is dropped is noted by kind."""

    def __init__(self, block: bytes, groups: frozenset[str]):
        self.block, self.groups = block, groups
        self.dropped: Counter[str] = Counter()
        self.room = _ROOM
        self.start = ifds.layout(block)
        self.form = self.start[0] if self.start else ifds.Layout("<")

    def plan(self) -> ifds.Plan:
        """IFD0 with its children; IFD1 and whatever follows it is a thumbnail."""
        if self.start is None or self.form.wide:
            self._drop("damaged EXIF" if self.block else "")
            return ifds.Plan()
        chain = list(ifds.chain(self.block, self.start[1], self.form))
        if not chain:
            self._drop("damaged EXIF")
            return ifds.Plan()
        if len(chain) > 1 or chain[0].next:
            self._drop("thumbnail")
        return self._directory(chain[0], tags.IFD0, {tags.EXIF_IFD: tags.EXIF, tags.GPS_IFD: tags.GPS})

    def _drop(self, kind: str) -> None:
        if kind:
            self.dropped[kind] = 1

    def _directory(
        self, directory: ifds.Directory, rules: dict[int, tags.Rule], children: dict[int, dict[int, tags.Rule]]
    ) -> ifds.Plan:
        plan = ifds.Plan()
        self._drop("damaged EXIF" if directory.damaged else "")
        for tag, entry in sorted(directory.entries.items()):
            if tag in children:
                child = self._child(entry, children[tag])
                plan.children.update({tag: child} if child else {})
            elif tag in rules:
                plan.fields += self._field(entry, rules[tag])
            elif tag != tags.THUMBNAIL_LENGTH:
                self._drop(tags.DROPPED.get(tag, "other tags"))
        return plan

    def _child(self, entry: ifds.Entry, rules: dict[int, tags.Rule]) -> ifds.Plan:
        at = ifds.numbers(self.block, entry, self.form, limit=1)
        directory = ifds.read(self.block, at[0], self.form) if at else None
        if directory is None:
            self._drop("damaged EXIF")
            return ifds.Plan()
        below = {tags.INTEROP_IFD: tags.INTEROP} if rules is tags.EXIF else {}
        return self._directory(directory, rules, below)

    def _field(self, entry: ifds.Entry, rule: tags.Rule) -> list[ifds.Field]:
        if rule.group not in self.groups:
            self._drop(rule.group)
            return []
        content = ifds.value(self.block, entry)
        if entry.size > self.room or not plausible(content, entry, rule):
            self._drop("oversized or odd tags")
            return []
        self.room -= entry.size
        return [ifds.Field(entry.tag, 7 if rule.prefix else entry.type, entry.count, content)]


def plausible(content: bytes, entry: ifds.Entry, rule: tags.Rule) -> bool:
    """True for a value that is what its tag says: of the right type and size, a readable text if a text; no picture."""
    if entry.type not in rule.types or entry.size > rule.most:
        return False
    if rule.prefix:
        coded = content[: rule.prefix] in _CODES
        return coded and _readable(content[rule.prefix :], content.startswith(b"UNICODE"))
    if entry.type in tags.TEXT_TYPES:
        return _readable(content, wide=False)
    windows_text = rule.most > 64  # numbers are never that long
    return _readable(content, wide=True) if windows_text else not signatures.in_block(content)


def _readable(content: bytes, wide: bool) -> bool:
    """True for a text that people can read, which the samples of a picture are not."""
    for encoding in ("utf-16-le", "utf-16-be") if wide else ("utf-8", "latin-1"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        text = text.rstrip("\0").replace("\0", "\n", 1)  # Copyright has one between its two parts
        if all(c.isprintable() or c in _SPACES for c in text):
            return not signatures.in_block(content)
    return not content


def _set_frame(plan: ifds.Plan, order: str, frame: Frame, sizes: bool) -> None:
    """Orientation as the picture has it; sizes corrected where the source stated them."""
    stated = any(f.tag == tags.ORIENTATION for f in plan.fields)
    plan.fields = [f for f in plan.fields if f.tag != tags.ORIENTATION]
    if stated or frame.orientation != 1:
        plan.fields.append(_orientation(order, frame))
    for part in (plan, *plan.children.values()) if sizes else ():
        part.fields = [_corrected(f, order, frame) for f in part.fields]


def _orientation(order: str, frame: Frame) -> ifds.Field:
    return ifds.Field(tags.ORIENTATION, 3, 1, struct.pack(f"{order}H", frame.orientation))


def _corrected(old: ifds.Field, order: str, frame: Frame) -> ifds.Field:
    for size, named in ((frame.width, tags.WIDTHS), (frame.height, tags.HEIGHTS)):
        if old.tag in named:
            return ifds.Field(old.tag, 4, 1, struct.pack(f"{order}I", size))
    return old


def _assemble(plan: ifds.Plan, order: str, thumbnail: bytes | None) -> bytes:
    head = {"<": b"II*\x00", ">": b"MM\x00*"}[order] + struct.pack(f"{order}I", 8)
    first = ifds.write(plan, 8, order)
    if thumbnail is None or len(head) + len(first) + len(thumbnail) > _SEGMENT:
        return head + first
    where = len(head) + len(first)
    first = ifds.write(plan, 8, order, following=where)
    return head + first + _second(where, order, thumbnail) + thumbnail


def _second(where: int, order: str, thumbnail: bytes) -> bytes:
    """IFD1: compression JPEG, 72 dpi, and where the thumbnail lies, which is right behind it."""
    inch = struct.pack(f"{order}II", 72, 1)
    fields = [
        ifds.Field(0x0103, 3, 1, struct.pack(f"{order}H", 6)),
        ifds.Field(0x011A, 5, 1, inch),
        ifds.Field(0x011B, 5, 1, inch),
        ifds.Field(0x0128, 3, 1, struct.pack(f"{order}H", 2)),
        ifds.Field(tags.THUMBNAIL_LENGTH, 4, 1, struct.pack(f"{order}I", len(thumbnail))),
    ]
    size = len(ifds.write(ifds.Plan([*fields, ifds.Field(tags.THUMBNAIL, 4, 1, bytes(4))]), where, order))
    place = ifds.Field(tags.THUMBNAIL, 4, 1, struct.pack(f"{order}I", where + size))
    return ifds.write(ifds.Plan([*fields, place]), where, order)
