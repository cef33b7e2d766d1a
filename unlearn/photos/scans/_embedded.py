"""Metadata blocks inside written files: the only picture they may hold is one JPEG thumbnail in EXIF's IFD1."""

from collections.abc import Iterator

from unlearn.photos import exif_tags as tags
from unlearn.photos import ifds, signatures, xmp_packet
from unlearn.photos.exif import plausible, stripped

MAX_LOOSE = 256  # bytes that no tag or box accounts for: alignment and padding, too few for a picture
_MOST_UNKNOWN = 1_024  # bytes of a tag that this tool does not know
# Directories below another: what may be in them, and which tags lead further down.
_BELOW = {
    tags.EXIF_IFD: (tags.EXIF, (tags.INTEROP_IFD,)),
    tags.GPS_IFD: (tags.GPS, ()),
    tags.INTEROP_IFD: (tags.INTEROP, ()),
}


def texts(data: bytes, where: str) -> Iterator[str]:
    """Pictures in a block that should hold none."""
    for kind in signatures.in_block(data):
        yield f"a picture ({kind}) in {where}"


def profile(data: bytes, where: str = "the color profile") -> Iterator[str]:
    """Pictures in an ICC profile, and bytes behind its end."""
    for kind, _ in signatures.find(data, strict=True):
        yield f"a picture ({kind}) in {where}"
    for kind in signatures.find_encoded(data):
        yield f"a picture ({kind}) in {where}"
    size = int.from_bytes(data[:4], "big")
    if size < len(data):
        yield f"{len(data) - size} bytes behind the end of {where}"


def packet(data: bytes, where: str = "XMP") -> Iterator[str]:
    """Pictures in an XMP packet, and properties that hold or announce further pictures."""
    yield from texts(data, where)
    try:
        names = list(xmp_packet.parse(data))
    except xmp_packet.PacketError as error:
        yield f"{where} is {error}"
        return
    telling: tuple[str, ...] = (
        "xmp:Thumbnails",
        "xmpGImg:",
        "GImage:",
        "GDepth:",
        "GAudio:",
        "Container:",
        "hdrgm:",
        "HDRGainMap:",
    )
    telling += ("Device:", "GCamera:Motion", "GCamera:Micro", "xmpNote:HasExtendedXMP")
    for name in names:
        if name.startswith(telling):
            yield f"{where} has {name}, which stands for a further picture"


def exif(data: bytes, where: str = "EXIF") -> Iterator[str]:
    """Everything in an EXIF block that may be or hold a picture, but for a proper thumbnail in IFD1."""
    block = stripped(data)
    start = ifds.layout(block)
    if start is None:
        yield f"{where} starts with no TIFF header"
        return
    walk = _Walk(block, start[0], where)
    chain = list(ifds.chain(block, start[1], start[0]))
    if chain:
        yield from walk.directory(chain[0], tags.IFD0, (tags.EXIF_IFD, tags.GPS_IFD))
    if len(chain) > 1:
        yield from walk.second(chain[1])
    if len(chain) > 2:
        yield f"{where} has {len(chain)} directories in a row"
    yield from walk.rest()


def thumbnail(data: bytes | None) -> bytes | None:
    """The bytes of the thumbnail in IFD1, or None."""
    block = stripped(data or b"")
    start = ifds.layout(block)
    chain = list(ifds.chain(block, start[1], start[0])) if start else []
    if start is None or len(chain) < 2:
        return None
    offset, length = (ifds.number(block, chain[1], tag, start[0]) for tag in (tags.THUMBNAIL, tags.THUMBNAIL_LENGTH))
    return block[offset : offset + length] if offset and length else None


class _Walk:
    """One EXIF block; remembers which bytes something refers to."""

    def __init__(self, block: bytes, form: ifds.Layout, where: str):
        self.block, self.form, self.where = block, form, where
        self.spans: list[tuple[int, int]] = [(0, form.header)]

    def directory(
        self, directory: ifds.Directory, rules: dict[int, tags.Rule], pointers: tuple[int, ...]
    ) -> Iterator[str]:
        """A directory and those below it, to which only the tags in `pointers` may lead."""
        self.spans.append(directory.span)
        for tag, entry in directory.entries.items():
            self.spans.append((entry.position, entry.position + entry.size))
            if tag in pointers:
                yield from self._below(entry)
            elif tag in tags.DROPPED and tag != 0x02BC:
                yield f"{self.where} has a {tags.DROPPED[tag]} of {entry.size} bytes"
            elif tag in rules:
                if entry.size > 64 and not plausible(ifds.value(self.block, entry), entry, rules[tag]):
                    yield f"{self.where} tag 0x{tag:04X} holds {entry.size} bytes that are not what it is for"
            elif entry.size > _MOST_UNKNOWN:
                yield f"{self.where} has an unknown tag 0x{tag:04X} of {entry.size} bytes"

    def _below(self, entry: ifds.Entry) -> Iterator[str]:
        at = ifds.numbers(self.block, entry, self.form, limit=1)
        child = ifds.read(self.block, at[0], self.form) if at else None
        if child:
            yield from self.directory(child, *_BELOW[entry.tag])

    def second(self, directory: ifds.Directory) -> Iterator[str]:
        """IFD1: a JPEG thumbnail that is nothing but a JPEG."""
        self.spans.append(directory.span)
        self.spans += [(e.position, e.position + e.size) for e in directory.entries.values()]
        offset = ifds.number(self.block, directory, tags.THUMBNAIL, self.form)
        length = ifds.number(self.block, directory, tags.THUMBNAIL_LENGTH, self.form)
        if not offset or not length:
            yield f"{self.where} has a second directory without a JPEG thumbnail"
            return
        self.spans.append((offset, offset + length))
        from unlearn.photos.scans import jpeg  # a thumbnail is a JPEG, whose own scan ends here again

        for finding in jpeg.findings(self.block[offset : offset + length], bare=True):
            yield f"thumbnail: {finding}"

    def rest(self) -> Iterator[str]:
        """Bytes that nothing refers to, and pictures anywhere but in the thumbnail's place."""
        loose = b"".join(self.block[start:stop] for start, stop in gaps(self.spans, len(self.block)))
        if len(loose.replace(b"\x00", b"")) > MAX_LOOSE:
            yield f"{self.where} has {len(loose)} bytes that no tag refers to"
        thumb = thumbnail(self.block)
        rest = self.block[8:].replace(thumb, b"") if thumb else self.block[8:]
        yield from texts(rest, self.where)


def gaps(spans: list[tuple[int, int]], length: int) -> Iterator[tuple[int, int]]:
    """Ranges of 0..length that no span covers."""
    reached = 0
    for start, stop in sorted(spans):
        if start > reached:
            yield reached, min(start, length)
        reached = max(reached, stop)
        if reached >= length:
            return
    if reached < length:
        yield reached, length
