"""HEIF and AVIF: one main picture with its tiles and its alpha, EXIF, XMP, and no bytes that no item refers to."""

from collections.abc import Iterator

from unlearn.photos import signatures
from unlearn.photos.scans import _boxes, _embedded
from unlearn.photos.scans._boxes import Box, Item, Meta

_CODED = {b"hvc1", b"av01", b"avc1", b"jpeg", b"vvc1", b"j2k1", b"unci"}
_DERIVED = {b"grid", b"iden", b"iovl"}
_METADATA = {b"Exif", b"mime"}
_ALPHA = (b"urn:mpeg:hevc:2015:auxid:1", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha")
_MOST_PROPERTY = 8_192  # decoder settings with parameter sets are the largest


def findings(data: bytes) -> Iterator[str]:
    """What a HEIF or AVIF file holds besides its main picture and that picture's alpha, profile, EXIF and XMP."""
    top = list(_boxes.boxes(data, 0, len(data)))
    if not top or top[0].kind != b"ftyp":
        yield "does not start as a HEIF or AVIF file"
        return
    metas = [box for box in top if box.kind == b"meta"]
    if len(metas) != 1:
        yield f"{len(metas)} item tables instead of one"
        return
    meta = _boxes.meta(data, metas[0])
    yield from meta.damage
    for box in meta.others:
        yield f"an unknown item table {_shown(box.kind)} of {box.stop - box.body} bytes"
    for box in top:
        yield from _top(data, box)
    yield from _items(data, meta)
    yield from _properties(data, meta)
    yield from _uncovered(data, top, meta)


def exif_block(data: bytes) -> bytes | None:
    """The first EXIF item, without its offset."""
    meta_box = next((box for box in _boxes.boxes(data, 0, len(data)) if box.kind == b"meta"), None)
    items = _boxes.meta(data, meta_box).items.values() if meta_box else ()
    return next((_exif(_content(data, item)) for item in items if item.kind == b"Exif"), None)


def _content(data: bytes, item: Item) -> bytes:
    parts: list[bytes] = []
    room = len(data)  # extents of a hostile file may repeat
    for start, stop in item.extents:
        room -= stop - start
        if room < 0:
            break
        parts.append(data[start:stop])
    return b"".join(parts)


def _exif(content: bytes) -> bytes:
    """An EXIF item starts with the offset of its TIFF header."""
    return content[4 + int.from_bytes(content[:4], "big") :]


def _top(data: bytes, box: Box) -> Iterator[str]:
    if box.kind == b"cut!":
        yield f"{box.stop - box.start} bytes at byte {box.start} belong to no box"
    elif box.kind in (b"moov", b"moof", b"mini"):
        yield f"a video or an image sequence (box {_shown(box.kind)})"
    elif box.kind in (b"free", b"skip"):
        if data[box.body : box.stop].strip(b"\x00"):
            yield f"a box {_shown(box.kind)} that is not empty ({box.stop - box.body} bytes)"
    elif box.kind not in (b"ftyp", b"meta", b"mdat"):
        yield f"an unknown box {_shown(box.kind)} of {box.stop - box.body} bytes"


def _shown(kind: bytes) -> str:
    return kind.decode("ascii", "backslashreplace").strip()


def _main(data: bytes, meta: Meta) -> set[int]:
    """Numbers of the items that make up the main picture: itself, its tiles, its alpha, and that one's tiles."""
    known = {meta.primary}
    for kind, source, target in meta.references:
        if kind == b"auxl" and target == meta.primary and _aux_type(data, meta, source).startswith(_ALPHA):
            known.add(source)
    for _ in range(4):  # tiles of tiles are as deep as the standard goes
        known |= {target for kind, source, target in meta.references if kind == b"dimg" and source in known}
    return known


def _aux_type(data: bytes, meta: Meta, number: int) -> bytes:
    for index in meta.items.get(number, Item()).properties:
        if 0 < index <= len(meta.properties) and meta.properties[index - 1].kind == b"auxC":
            box = meta.properties[index - 1]
            return data[box.body + 4 : box.stop]
    return b""


def _items(data: bytes, meta: Meta) -> Iterator[str]:
    main = _main(data, meta)
    if meta.primary not in meta.items:
        yield "no main picture"
    for number, item in sorted(meta.items.items()):
        if number in main:
            if item.kind not in _CODED | _DERIVED:
                yield f"item {number} of the main picture is of an unknown kind {_shown(item.kind)}"
        elif item.kind == b"Exif":
            content = _content(data, item)
            yield from _embedded.texts(content[4 : 4 + int.from_bytes(content[:4], "big")], "the bytes before EXIF")
            yield from _embedded.exif(_exif(content))
        elif item.kind == b"mime" and item.content == b"application/rdf+xml":
            yield from _embedded.packet(_content(data, item))
        else:
            yield f"{_role(data, meta, number, item)} (item {number})"


def _role(data: bytes, meta: Meta, number: int, item: Item) -> str:
    """What an item beside the main picture is."""
    kinds = {kind for kind, source, _ in meta.references if source == number}
    if b"thmb" in kinds:
        return "a thumbnail"
    if b"auxl" in kinds:
        kind = _aux_type(data, meta, number).partition(b"\x00")[0].decode("ascii", "replace")
        return f"an auxiliary image {kind[:60]!r}"
    if item.kind == b"tmap":
        return "a gain map"
    return "a second picture" if item.kind in _CODED | _DERIVED else f"an item of kind {_shown(item.kind)}"


def _properties(data: bytes, meta: Meta) -> Iterator[str]:
    for box in meta.properties:
        body = data[box.body : box.stop]
        if box.kind == b"colr" and body[:4] in (b"prof", b"rICC"):
            yield from _embedded.profile(body[4:])
        elif len(body) > _MOST_PROPERTY or any(signatures.find(body, strict=True)):
            yield f"a property {_shown(box.kind)} of {len(body)} bytes, which may be a picture"


def _uncovered(data: bytes, top: list[Box], meta: Meta) -> Iterator[str]:
    """Bytes of the media data that belong to no item."""
    spans = [extent for item in meta.items.values() for extent in item.extents]
    spans += [(box.start, box.body) for box in top if box.kind == b"mdat"]
    for box in top:
        if box.kind == b"meta":
            spans += [(box.start, meta.idat[0] or box.stop), (meta.idat[1], box.stop)]
        elif box.kind != b"mdat":
            spans.append((box.start, box.stop))
    loose = sum(stop - start for start, stop in _embedded.gaps(spans, len(data)))
    if loose > _embedded.MAX_LOOSE:
        yield f"{loose} bytes of media data belong to no item"
