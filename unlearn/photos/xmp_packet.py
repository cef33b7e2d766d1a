"""XMP packets (ISO 16684-1) as plain values: read with defusedxml, written back in one fixed form.

A packet is a dict of properties. Names are `prefix:name` with the prefixes of PREFIXES, or `{uri}name` for other
namespaces, which can be read but are never written. A value is a text, a list of values, or a struct of fields.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape, quoteattr

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

MAX_BYTES = 16_000_000  # depth maps and previews in extended packets reach a few megabytes
_DEEPEST = 12

_ADOBE = "http://ns.adobe.com/"
_IPTC = "http://iptc.org/std/"
PREFIXES = {
    "http://purl.org/dc/elements/1.1/": "dc",
    f"{_ADOBE}xap/1.0/": "xmp",
    f"{_ADOBE}xap/1.0/rights/": "xmpRights",
    f"{_ADOBE}xap/1.0/mm/": "xmpMM",
    f"{_ADOBE}xap/1.0/g/img/": "xmpGImg",
    f"{_ADOBE}xmp/note/": "xmpNote",
    f"{_ADOBE}tiff/1.0/": "tiff",
    f"{_ADOBE}exif/1.0/": "exif",
    "http://cipa.jp/exif/1.0/": "exifEX",
    f"{_ADOBE}exif/1.0/aux/": "aux",
    f"{_ADOBE}photoshop/1.0/": "photoshop",
    f"{_ADOBE}camera-raw-settings/1.0/": "crs",
    f"{_ADOBE}lightroom/1.0/": "lr",
    f"{_ADOBE}hdr-gain-map/1.0/": "hdrgm",
    f"{_IPTC}Iptc4xmpCore/1.0/xmlns/": "Iptc4xmpCore",
    f"{_IPTC}Iptc4xmpExt/2008-02-29/": "Iptc4xmpExt",
    "http://www.digikam.org/ns/1.0/": "digiKam",
    f"{_ADOBE}xmp/sType/Area#": "stArea",
    f"{_ADOBE}xap/1.0/sType/Dimensions#": "stDim",
    "http://www.metadataworkinggroup.com/schemas/regions/": "mwg-rs",
    "http://ns.microsoft.com/photo/1.0/": "MicrosoftPhoto",
    "http://ns.microsoft.com/photo/1.0": "MicrosoftPhoto",
    "http://ns.microsoft.com/photo/1.2/": "MP",
    "http://ns.microsoft.com/photo/1.2/t/RegionInfo#": "MPRI",
    "http://ns.microsoft.com/photo/1.2/t/Region#": "MPReg",
    "http://ns.google.com/photos/1.0/panorama/": "GPano",
    "http://ns.google.com/photos/1.0/image/": "GImage",
    "http://ns.google.com/photos/1.0/depthmap/": "GDepth",
    "http://ns.google.com/photos/1.0/audio/": "GAudio",
    "http://ns.google.com/photos/1.0/camera/": "GCamera",
    "http://ns.google.com/photos/1.0/container/": "Container",
    "http://ns.google.com/photos/dd/1.0/device/": "Device",
    "http://ns.apple.com/HDRGainMap/1.0/": "HDRGainMap",
}
_URIS = {prefix: uri for uri, prefix in reversed(PREFIXES.items())}
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_XML = "{http://www.w3.org/XML/1998/namespace}"
_START = re.compile(rb"<((?:[\w-]{1,40}:)?(?:xmpmeta|xapmeta|RDF))[\s>]")
_MOST_TAGS = 200_000
_BYTE_ORDERS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Items:
    """A list of values: a Bag, a Seq, or an Alt, whose items may name a language each."""

    kind: str
    values: tuple["Value", ...]
    languages: tuple[str, ...] = ()


Value = str | Items | dict[str, Any]  # a dict holds Values; types cannot name themselves here


class PacketError(ValueError):
    """Bytes that are no XMP packet, or one that asks for too much."""


def parse(data: bytes) -> dict[str, Value]:
    """Properties of a packet, the first of equal names counting.

    Raises:
        PacketError: not well-formed, entities or a document type in it, or larger than MAX_BYTES.
    """
    if len(data) > MAX_BYTES:
        raise PacketError(f"larger than {MAX_BYTES:,} bytes")
    if data.count(b"<") > _MOST_TAGS:
        raise PacketError("too many elements")
    try:
        root = fromstring(_document(data), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise PacketError(f"not readable as XML ({str(error)[:80]})") from error
    rdf = root if root.tag == f"{_RDF}RDF" else root.find(f"{_RDF}RDF")
    if rdf is None:
        raise PacketError("holds no RDF")
    properties: dict[str, Value] = {}
    for node in rdf.findall(f"{_RDF}Description"):
        properties = _fields(node, 0) | properties
    return properties


def _document(data: bytes) -> bytes:
    """The outermost element alone: what surrounds it (wrapper, padding, a late XML declaration) may be anything."""
    if data.startswith(_BYTE_ORDERS):
        return data
    found = _START.search(data)
    stop = data.rfind(b"</" + found.group(1)) if found else -1
    return data[found.start() : data.find(b">", stop) + 1] if found and stop > 0 else data.strip(b"\x00 \t\r\n")


def _name(tag: str) -> str:
    uri, _, local = tag[1:].partition("}")
    return f"{PREFIXES[uri]}:{local}" if uri in PREFIXES else tag


def _fields(node: Element, depth: int) -> dict[str, Value]:
    """Fields of a struct, written as attributes or as elements."""
    fields: dict[str, Value] = {}
    for tag, text in node.attrib.items():
        if tag.startswith("{") and not tag.startswith((_RDF, _XML)):
            fields[_name(tag)] = text
    for child in node:
        if isinstance(child.tag, str) and child.tag.startswith("{") and not child.tag.startswith(_RDF):
            fields.setdefault(_name(child.tag), _value(child, depth + 1))
    return fields


def _value(node: Element, depth: int) -> Value:
    if depth > _DEEPEST:
        return ""
    for child in node:
        if child.tag in (f"{_RDF}Bag", f"{_RDF}Seq", f"{_RDF}Alt"):
            return _items(child, depth)
        if child.tag == f"{_RDF}Description":
            return _fields(child, depth) | _fields(node, depth)
        if child.tag == f"{_RDF}value":  # a value with qualifiers, which are left out
            return _value(child, depth + 1)
    fields = _fields(node, depth)
    return fields or (node.text or node.get(f"{_RDF}resource") or "").strip()


def _items(node: Element, depth: int) -> Items:
    rows = node.findall(f"{_RDF}li")
    languages = tuple(row.get(f"{_XML}lang", "") for row in rows)
    values = tuple(_value(row, depth + 1) for row in rows)
    return Items(node.tag.removeprefix(_RDF), values, languages if any(languages) else ())


def texts(value: Value | None) -> Iterator[str]:
    """All texts inside a value, in order."""
    if isinstance(value, str):
        yield value
    for part in value.values if isinstance(value, Items) else value.values() if isinstance(value, dict) else ():
        yield from texts(part)


def write(properties: dict[str, Value]) -> bytes:
    """A packet with these properties, sorted by name; equal ones give equal bytes; none may be foreign."""
    body = "".join(_element(name, value, 2) for name, value in sorted(properties.items()))
    used = sorted({prefix for prefix in _URIS if f"<{prefix}:" in body})
    spaces = "".join(f"\n    xmlns:{prefix}={quoteattr(_URIS[prefix])}" for prefix in used)
    text = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        f' <rdf:RDF xmlns:rdf="{_RDF[1:-1]}">\n  <rdf:Description rdf:about=""{spaces}>\n'
        f'{body}  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
    )
    return text.encode("utf-8", "replace")


def _element(name: str, value: Value, indent: int) -> str:
    pad = " " * (indent + 1)
    if isinstance(value, str):
        return f"{pad}<{name}>{_escaped(value)}</{name}>\n"
    if isinstance(value, dict):
        inside = "".join(_element(key, part, indent + 1) for key, part in sorted(value.items()))
        return f'{pad}<{name} rdf:parseType="Resource">\n{inside}{pad}</{name}>\n'
    inside = "".join(_item(part, index, value, indent + 2) for index, part in enumerate(value.values))
    return f"{pad}<{name}>\n{pad} <rdf:{value.kind}>\n{inside}{pad} </rdf:{value.kind}>\n{pad}</{name}>\n"


def _item(part: Value, index: int, items: Items, indent: int) -> str:
    language = items.languages[index] if items.languages else ""
    element = _element("rdf:li", part, indent)
    mark = f"<rdf:li xml:lang={quoteattr(language)}" if language else "<rdf:li"
    return element.replace("<rdf:li", mark, 1)


def _escaped(text: str) -> str:
    return escape(text, {"\r": "&#13;"})
