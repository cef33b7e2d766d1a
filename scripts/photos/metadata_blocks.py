"""EXIF blocks, color profiles, XMP packets and multi-picture indexes for sample photos, written by hand."""

import struct
from collections.abc import Sequence

ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 2, 3, 4, 5, 7
Entry = tuple[int, int, object]  # tag, type, value


def exif(
    orientation: int = 1,
    date: str = "2019:07:21 15:04:05",
    thumbnail: bytes | None = None,
    private: bool = False,
    order: str = "<",
) -> bytes:
    """An EXIF block that starts with the TIFF header.

    private: with GPS position, serial numbers, owner and a maker note.
    """
    main: list[Entry] = [(0x010F, ASCII, "Acme"), (0x0110, ASCII, "Camera 1"), (0x0112, SHORT, orientation)]
    main += [(0x0132, ASCII, date)]
    camera: list[Entry] = [(0x9003, ASCII, date), (0x9011, ASCII, "+02:00"), (0xA434, ASCII, "Acme 28mm")]
    gps: list[Entry] = []
    if private:
        main.append((0x013B, ASCII, "Olivia Owner"))
        camera += [(0xA430, ASCII, "Olivia Owner"), (0xA431, ASCII, "SN-12345678"), (0xA435, ASCII, "LENS-987654")]
        camera.append((0x927C, UNDEFINED, b"Acme\0maker note SN-12345678"))
        gps = [(1, ASCII, "N"), (2, RATIONAL, ((47, 1), (22, 1), (1234, 100)))]
        gps += [(3, ASCII, "E"), (4, RATIONAL, ((8, 1), (32, 1), (5678, 100)))]
    return _exif(order, main, camera, gps, thumbnail)


def _exif(order: str, main: list[Entry], camera: list[Entry], gps: list[Entry], thumbnail: bytes | None) -> bytes:
    pointers: list[Entry] = [(0x8769, LONG, 0)] + ([(0x8825, LONG, 0)] if gps else [])
    start = 8 + len(_directory(order, main + pointers, 8, 0))
    parts = []
    for tag, entries in ((0x8769, camera), (0x8825, gps)):
        if entries:
            parts.append(_directory(order, entries, start, 0))
            pointers = [(t, k, start if t == tag else v) for t, k, v in pointers]
            start += len(parts[-1])
    following = b""
    if thumbnail:
        second: list[Entry] = [(0x0103, SHORT, 6), (0x0201, LONG, 0), (0x0202, LONG, len(thumbnail))]
        place = start + len(_directory(order, second, start, 0))
        second[1] = (0x0201, LONG, place)
        following = _directory(order, second, start, 0) + thumbnail
    first = _directory(order, main + pointers, 8, start if thumbnail else 0)
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    return head + first + b"".join(parts) + following


def _directory(order: str, entries: list[Entry], base: int, following: int) -> bytes:
    """One TIFF directory to be placed at offset `base`."""
    rows, tail = b"", b""
    start = base + 2 + 12 * len(entries) + 4
    for tag, kind, value in sorted(entries, key=lambda entry: entry[0]):
        data, count = _packed(order, kind, value)
        if len(data) > 4:
            place = struct.pack(order + "I", start + len(tail))
            tail += data + b"\0" * (len(data) % 2)
            data = place
        rows += struct.pack(order + "HHI", tag, kind, count) + data.ljust(4, b"\0")
    return struct.pack(order + "H", len(entries)) + rows + struct.pack(order + "I", following) + tail


def _packed(order: str, kind: int, value: object) -> tuple[bytes, int]:
    if isinstance(value, str):
        return value.encode() + b"\0", len(value) + 1
    if isinstance(value, bytes):
        return value, len(value)
    if isinstance(value, tuple):
        return b"".join(struct.pack(order + "II", *pair) for pair in value), len(value)
    return struct.pack(order + {SHORT: "H", LONG: "I"}[kind], value), 1


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC version 2 profile: header, tag table, tags; the date is fixed."""
    header = b"unlr" + b"\x02\x40\0\0" + b"mntr" + space + (b"Lab " if space == b"CMYK" else b"XYZ ")
    header += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += struct.pack(">iii", 63190, 65536, 54061) + bytes(48)
    if space == b"CMYK":
        header = header.replace(b"mntr", b"prtr")
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        content += b"\0" * (-len(content) % 4)
        table += name + struct.pack(">II", 128 + 4 + 12 * len(tags) + len(body), len(content))
        body += content
    return struct.pack(">I", 4 + len(header) + len(table) + len(body)) + header + table + body


def _text(name: str) -> dict[bytes, bytes]:
    described = b"desc" + bytes(4) + struct.pack(">I", len(name) + 1) + name.encode() + b"\0" + bytes(78)
    return {b"desc": described, b"cprt": b"text" + bytes(4) + b"public domain\0"}


def _xyz(*values: float) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))


def display_p3() -> bytes:
    """A small profile with the primaries of Display P3 and a gamma of 2.2."""
    gamma = b"curv" + bytes(4) + struct.pack(">IH", 1, round(2.2 * 256))
    colors = {
        b"rXYZ": _xyz(0.51512, 0.24120, -0.00105),
        b"gXYZ": _xyz(0.29198, 0.69225, 0.04189),
        b"bXYZ": _xyz(0.15710, 0.06657, 0.78407),
    }
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), gamma)
    return _profile(b"RGB ", {**_text("Wide gamut P3"), b"wtpt": _xyz(0.9642, 1, 0.8249), **colors, **curves})


def printing() -> bytes:
    """A small CMYK profile: a table with the 16 corners of the ink cube."""
    linear = bytes(range(256))
    grid = b""
    for corner in range(16):
        cyan, magenta, yellow, black = (corner >> bit & 1 for bit in (3, 2, 1, 0))
        light = 100 * (1 - 0.4 * cyan) * (1 - 0.45 * magenta) * (1 - 0.08 * yellow) * (1 - 0.9 * black)
        a = 128 + (1 - black) * (-35 * cyan + 70 * magenta - 5 * yellow)
        b = 128 + (1 - black) * (-45 * cyan - 5 * magenta + 85 * yellow)
        grid += bytes((round(light * 2.55), round(min(a, 255)), round(max(0, min(b, 255)))))
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + matrix + linear * 4 + grid + linear * 3
    return _profile(b"CMYK", {**_text("Four inks"), b"wtpt": _xyz(0.9642, 1, 0.8249), b"A2B0": table})


def xmp(body: str = "", attributes: str = "") -> bytes:
    """An XMP packet with one description; `body` and `attributes` go inside it."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
        f'xmlns:xmpGImg="http://ns.adobe.com/xap/1.0/g/img/" xmp:Rating="4" {attributes}>{body}'
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def mwg_regions(width: int, height: int, faces: Sequence[tuple[str, float, float, float, float]]) -> bytes:
    """XMP with face regions of the Metadata Working Group: name, center x, center y, width, height."""
    items = "".join(
        f'<rdf:li rdf:parseType="Resource"><mwg-rs:Name>{name}</mwg-rs:Name><mwg-rs:Type>Face</mwg-rs:Type>'
        f'<mwg-rs:Area stArea:x="{x}" stArea:y="{y}" stArea:w="{w}" stArea:h="{h}" stArea:unit="normalized"/></rdf:li>'
        for name, x, y, w, h in faces
    )
    return xmp(
        '<mwg-rs:Regions xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/" '
        'xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#" '
        'xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#" '
        f'rdf:parseType="Resource"><mwg-rs:AppliedToDimensions stDim:w="{width}" stDim:h="{height}" '
        f'stDim:unit="pixel"/><mwg-rs:RegionList><rdf:Bag>{items}</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>'
    )


def microsoft_regions(faces: Sequence[tuple[str, float, float, float, float]]) -> bytes:
    """XMP with Microsoft's people tags: name, left, top, width, height."""
    items = "".join(
        f'<rdf:li><rdf:Description MPReg:PersonDisplayName="{name}" MPReg:Rectangle="{x}, {y}, {w}, {h}"/></rdf:li>'
        for name, x, y, w, h in faces
    )
    return xmp(
        '<MP:RegionInfo xmlns:MP="http://ns.microsoft.com/photo/1.2/" '
        'xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#" '
        'xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#"><rdf:Description><MPRI:Regions><rdf:Bag>'
        f"{items}</rdf:Bag></MPRI:Regions></rdf:Description></MP:RegionInfo>"
    )


def multi_picture(main: bytes, others: Sequence[tuple[int, bytes]]) -> bytes:
    """A JPEG with a multi-picture index (CIPA DC-007) and further JPEGs behind it: (type, bytes) each."""
    count = len(others) + 1
    fixed = 4 + 8 + 2 + 3 * 12 + 4
    length = 2 + fixed + 16 * count
    stop = len(main) + 2 + length
    origin = 2 + 2 + 2 + 4  # offsets count from the index's own TIFF header
    entries = struct.pack("<IIIHH", 0x20030000, stop, 0, 0, 0)
    place = stop - origin
    for kind, picture in others:
        entries += struct.pack("<IIIHH", kind, len(picture), place, 0, 0)
        place += len(picture)
    index = b"II*\0" + struct.pack("<IH", 8, 3)
    index += struct.pack("<HHI", 0xB000, UNDEFINED, 4) + b"0100"
    index += struct.pack("<HHII", 0xB001, LONG, 1, count)
    index += struct.pack("<HHII", 0xB002, UNDEFINED, 16 * count, 8 + 2 + 3 * 12 + 4) + bytes(4) + entries
    segment = b"\xff\xe2" + struct.pack(">H", length) + b"MPF\0" + index
    return main[:2] + segment + main[2:] + b"".join(picture for _, picture in others)
