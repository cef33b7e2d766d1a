"""TIFF: one page of pixels with its directories, and no bytes that none of them refers to."""

from collections.abc import Iterator

from unlearn.photos import exif_tags as tags
from unlearn.photos import ifds, signatures
from unlearn.photos.scans import _embedded

_XMP, _ICC = 0x02BC, 0x8773
_OFFSETS = {0x0111: 0x0117, 0x0144: 0x0145}  # strips and tiles: places by tag, sizes by the other
_TABLES = {
    0x0111,
    0x0117,
    0x0144,
    0x0145,
    0x0140,
    0x012D,
    0x015B,
    0x0119,
    0x0118,
    0x0102,
    0x0153,
    0x0152,
    0x0207,
    0x0208,
}
_TABLES |= {0x0209, 0x0203}
_POINTERS = {tags.EXIF_IFD: (tags.INTEROP_IFD,), tags.GPS_IFD: ()}
_MOST_UNKNOWN = 1_024
_MOST_LOOSE = 512  # writers leave the place of a directory empty when they write it again elsewhere


def findings(data: bytes) -> Iterator[str]:
    """What a TIFF holds besides one page, its color profile, EXIF and XMP."""
    start = ifds.layout(data)
    if start is None:
        yield "does not start as a TIFF"
        return
    pages = list(ifds.chain(data, start[1], start[0]))
    if not pages:
        yield "has no page"
        return
    if len(pages) > 1:
        yield f"{len(pages)} pages instead of one"
    walk = _Walk(data, start[0])
    yield from walk.page(pages[0])
    yield from walk.rest(pages[1:])


def exif_block(data: bytes) -> bytes | None:
    """A TIFF's own directories are its EXIF; a second one is a page, not a thumbnail."""
    return None


class _Walk:
    def __init__(self, data: bytes, form: ifds.Layout):
        self.data, self.form = data, form
        self.spans: list[tuple[int, int]] = [(0, form.header)]

    def page(self, page: ifds.Directory) -> Iterator[str]:
        """Findings of the main page, whose bytes are then accounted for."""
        if page.damaged:
            yield "a directory is damaged"
        self._account(page)
        for places, sizes in _OFFSETS.items():
            self._pixels(page, places, sizes)
        for tag, entry in page.entries.items():
            if tag in _POINTERS:
                yield from self._below(entry, _POINTERS[tag])
            else:
                yield from self._tag(tag, ifds.value(self.data, entry))

    def _account(self, directory: ifds.Directory) -> None:
        self.spans.append(directory.span)
        self.spans += [(e.position, e.position + e.size) for e in directory.entries.values()]

    def _pixels(self, page: ifds.Directory, places: int, sizes: int) -> None:
        starts = ifds.numbers(self.data, page.entries.get(places), self.form)
        lengths = ifds.numbers(self.data, page.entries.get(sizes), self.form)
        self.spans += [(start, start + length) for start, length in zip(starts, lengths, strict=False)]

    def _below(self, entry: ifds.Entry, pointers: tuple[int, ...]) -> Iterator[str]:
        at = ifds.numbers(self.data, entry, self.form, limit=1)
        directory = ifds.read(self.data, at[0], self.form) if at else None
        if directory is None:
            return
        self._account(directory)
        for tag, child in directory.entries.items():
            if tag in pointers:
                yield from self._below(child, ())
            else:
                yield from self._tag(tag, ifds.value(self.data, child))

    def _tag(self, tag: int, value: bytes) -> Iterator[str]:
        if tag == _XMP:
            yield from _embedded.packet(value)
        elif tag == _ICC:
            yield from _embedded.profile(value)
        elif tag in tags.DROPPED and tag not in _TABLES:
            yield f"a {tags.DROPPED[tag]} (tag 0x{tag:04X}, {len(value)} bytes)"
        elif tag not in _TABLES:
            known = tag in tags.IFD0 or tag in tags.EXIF or tag in tags.GPS
            if not known and len(value) > _MOST_UNKNOWN:
                yield f"an unknown tag 0x{tag:04X} of {len(value)} bytes"
            yield from _embedded.texts(value, f"tag 0x{tag:04X}")

    def rest(self, others: list[ifds.Directory]) -> Iterator[str]:
        """Bytes that the main page does not refer to; other pages are findings of their own."""
        if others:
            return
        loose = b"".join(self.data[start:stop] for start, stop in _embedded.gaps(self.spans, len(self.data)))
        kinds = [kind for kind, _ in signatures.find(loose)]
        if kinds or len(loose.replace(b"\x00", b"")) > _MOST_LOOSE:
            yield f"{len(loose)} bytes that no tag refers to" + (f" ({', '.join(kinds)})" if kinds else "")
