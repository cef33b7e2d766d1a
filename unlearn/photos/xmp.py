"""XMP packets rebuilt from an allow-list of properties: previews, depth maps and second pictures never stay."""

from collections import Counter
from collections.abc import Iterable

from unlearn.photos import signatures
from unlearn.photos import xmp_properties as properties
from unlearn.photos.exif import Frame
from unlearn.photos.exif_tags import PERSONS
from unlearn.photos.xmp_packet import MAX_BYTES, Items, PacketError, Value, parse, texts, write

STANDARD = b"http://ns.adobe.com/xap/1.0/\x00"
EXTENSION = b"http://ns.adobe.com/xmp/extension/\x00"
_MOST_BYTES = 60_000  # of a written packet: it has to fit into one JPEG segment
_LONGEST_TEXT = 16_384
_PEOPLE = ("people/", "people|")
_SIZES = {
    "tiff:ImageWidth": "width",
    "exif:PixelXDimension": "width",
    "tiff:ImageLength": "height",
    "exif:PixelYDimension": "height",
    "tiff:Orientation": "orientation",
}


def rebuild(
    data: bytes | None, groups: frozenset[str], frame: Frame | None = None
) -> tuple[bytes | None, Counter[str]]:
    """A new packet with the allowed properties of an old one, and the kinds of what was dropped, each counted once.

    Args:
        data: the source's packet, or None. groups: those of `exif_tags.kept_groups`.
        frame: sizes and orientation are set to it where the source states them; None (sidecars) leaves them.

    Never raises: what cannot be read is dropped as "damaged XMP".
    """
    dropped: Counter[str] = Counter()
    if not data:
        return None, dropped
    try:
        source = parse(data)
    except PacketError:
        return None, Counter({"damaged XMP": 1})
    kept: dict[str, Value] = {}
    room = _MOST_BYTES - len(write({}))
    for name, value in sorted(source.items()):
        allowed, reason = _allowed(name, value, groups)
        size = len(write({name: allowed})) - len(write({})) if allowed else 0
        if size > room:
            allowed, reason = None, "oversized or odd XMP"
        if reason:
            dropped[reason] = 1
        if allowed:
            kept[name] = str(getattr(frame, _SIZES[name])) if frame and name in _SIZES else allowed
            room -= size
    strip = "layout" not in groups  # the orientation lives in EXIF then
    return None if strip or not kept else write(kept), dropped


def _allowed(name: str, value: Value, groups: frozenset[str]) -> tuple[Value | None, str]:
    """What stays of a property, and the kind of what does not (empty if nothing was lost)."""
    if name not in properties.ALLOWED:
        return None, properties.kind_of(name)
    group, shape = properties.ALLOWED[name]
    if group == "keywords" and group not in groups and groups >= PERSONS:
        return _persons(value), group
    if group not in groups:
        return None, group
    clean = _shaped(value, shape)
    lost = len([t for t in texts(value) if t]) - len([t for t in texts(clean) if t])
    return clean, "oversized or odd XMP" if lost else ""


def _persons(value: Value) -> Value | None:
    """Of a list of keywords, those below `People`."""
    if not isinstance(value, Items):
        return None
    below = tuple(v for v in value.values if isinstance(v, str) and v.lower().startswith(_PEOPLE) and _plain(v))
    return Items(value.kind, below) if below else None


def _shaped(value: Value, shape: properties.Shape) -> Value | None:
    """The value cut down to the shape: unknown fields, nested texts and pictures fall away."""
    if isinstance(value, str):
        return value if shape is properties.TEXT and value and _plain(value) else None
    if isinstance(value, dict):
        inside = {key: _shaped(value[key], shape[key]) for key in shape or () if key in value}
        return {key: part for key, part in inside.items() if part} or None
    parts = [_shaped(part, shape) for part in value.values]
    kept = [index for index, part in enumerate(parts) if part]
    languages = tuple(value.languages[index] for index in kept) if value.languages else ()
    values = tuple(part for part in parts if part)
    return Items(value.kind, values, languages) if values else None


def _plain(text: str) -> bool:
    return len(text) <= _LONGEST_TEXT and not signatures.in_block(text.encode("utf-8", "replace"))


def assembled(segments: Iterable[bytes]) -> bytes | None:
    """One packet from the payloads of a JPEG's APP1 segments: the standard one, and the parts of the extended one.

    Each payload starts with its namespace, as in the file; other payloads (EXIF) are skipped. A packet that cannot be
    joined is given back as its standard part alone.
    """
    payloads = list(segments)
    standard = next((part[len(STANDARD) :] for part in payloads if part.startswith(STANDARD)), None)
    extended = _extended(part[len(EXTENSION) :] for part in payloads if part.startswith(EXTENSION))
    if not extended:
        return standard
    try:
        joined = parse(extended) | (parse(standard) if standard else {})
    except PacketError:
        return standard
    return write({name: value for name, value in joined.items() if not name.startswith("{")})


def _extended(parts: Iterable[bytes]) -> bytes:
    """Parts of 32 bytes of an id, 4 of the full length, 4 of an offset, and content; those of the first id joined."""
    first, pieces = b"", {}
    for part in parts:
        first = first or part[:32]
        if len(part) > 40 and part[:32] == first:
            pieces[int.from_bytes(part[36:40], "big")] = part[40:]
    joined = b"".join(piece for _, piece in sorted(pieces.items()))
    return joined if len(joined) <= MAX_BYTES else b""
