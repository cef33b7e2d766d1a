"""Files that photo programs put beside a photo, filtered by the same policy as what is inside it.

XMP sidecars, Apple's `.AAE` edit lists, and the `.json` files of Google Takeout.
"""

import base64
import binascii
import json
import plistlib
import zlib
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from unlearn.photos import exif_tags, signatures, xmp
from unlearn.photos.writing import Writing

MAX_BYTES = 2_000_000
_MOST_INFLATED = 8_000_000
# Apple's edit lists: these keys and no others. `adjustmentData` is a list of edits, not a picture.
_AAE_KEYS = (
    "adjustmentBaseVersion",
    "adjustmentData",
    "adjustmentEditorBundleID",
    "adjustmentFormatIdentifier",
    "adjustmentFormatVersion",
    "adjustmentRenderTypes",
    "adjustmentTimestamp",
)
# Takeout: keys with their metadata groups. `url` leads to the clean original and never stays.
_TAKEOUT_KEYS = {
    "title": "caption",
    "description": "caption",
    "creationTime": "date",
    "photoTakenTime": "date",
    "photoLastModifiedTime": "date",
    "favorited": "rating",
    "geoData": "gps",
    "geoDataExif": "gps",
    "people": "names",
}


def filtered(data: bytes, name: bytes, writing: Writing) -> bytes | None:
    """A sidecar's content as it may lie beside a protected photo, or None if nothing of it may.

    Args:
        name: the file's name, whose suffix (.xmp, .aae, .json) says what it is.
    """
    kinds = {b"xmp": _xmp, b"aae": _aae, b"json": _takeout}
    kind = kinds.get(name.lower().rpartition(b".")[2])
    if kind is None or len(data) > MAX_BYTES:
        return None
    return kind(data, exif_tags.kept_groups(writing))


def _xmp(data: bytes, groups: frozenset[str]) -> bytes | None:
    return xmp.rebuild(data, groups)[0]


def _aae(data: bytes, groups: frozenset[str]) -> bytes | None:
    """A property list in XML; only known keys stay, and none that holds a picture."""
    if "layout" not in groups:
        return None
    try:
        root = fromstring(data)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None
    table = root.find("dict")
    cells = list(table) if table is not None else []
    pairs = zip(cells[::2], cells[1::2], strict=False)
    values = {key.text: _plist_value(cell) for key, cell in pairs if key.tag == "key" and key.text in _AAE_KEYS}
    kept = {key: value for key, value in values.items() if value is not None}
    return plistlib.dumps(kept, sort_keys=True) if "adjustmentData" in kept else None


def _plist_value(cell: Element) -> Any:
    text = (cell.text or "").strip()
    try:
        if cell.tag == "integer":
            number = int(text[:20])
            return number if abs(number) < 1 << 63 else None
        if cell.tag == "date":
            return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
        if cell.tag == "data":
            content = base64.b64decode(text)
            return None if _holds_picture(content) else content
    except (ValueError, binascii.Error):
        return None
    return text if cell.tag == "string" and not signatures.in_block(text.encode()) else None


def _holds_picture(content: bytes) -> bool:
    """True if a picture shows in edit data, as it is or inflated (Apple deflates some of it)."""
    return any(signatures.in_block(part) for part in (content, *_inflated(content)))


def _inflated(content: bytes) -> list[bytes]:
    found = []
    for window in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        try:
            found.append(zlib.decompressobj(window).decompress(content, _MOST_INFLATED))
        except zlib.error:
            continue
    return found


def _takeout(data: bytes, groups: frozenset[str]) -> bytes | None:
    """Google's description of one photo; only known keys stay, with texts and flat tables as values."""
    try:
        source = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(source, dict) or not {"title", "photoTakenTime"} & source.keys():
        return None
    values = {key: _flat(source.get(key)) for key, group in _TAKEOUT_KEYS.items() if group in groups}
    kept = {key: value for key, value in values.items() if value is not None}
    return (json.dumps(kept, indent=2, ensure_ascii=True) + "\n").encode() if kept else None


def _flat(value: Any, depth: int = 0) -> Any:
    """Texts, numbers, and lists or tables of them; None for anything else and for texts that hold a picture."""
    if isinstance(value, str):
        return None if signatures.in_block(value.encode("utf-8", "replace")) else value
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, list) and depth < 2:
        return [part for part in (_flat(item, depth + 1) for item in value) if part is not None]
    if isinstance(value, dict) and depth < 2:
        parts = {
            key: _flat(item, depth + 1)
            for key, item in value.items()
            if not signatures.in_block(key.encode("utf-8", "replace"))
        }
        return {key: part for key, part in parts.items() if part is not None}
    return None
