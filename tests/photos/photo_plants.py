"""Photos with planted second pictures: every place where cameras and programs keep one."""

import base64
import io
import struct
import zlib

import numpy as np
import piexif
from PIL import Image

from unlearn.photos import exif, xmp_packet
from unlearn.photos.writing import Writing


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def scene(width: int = 400, height: int = 300, seed: int = 0, mode: str = "RGB") -> Image.Image:
    """A photo-like picture: smooth, with some grain, and nowhere magenta."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(30, 200, (6, 8), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.int16)
    gray = (smooth + generator.integers(-8, 9, smooth.shape)).clip(0, 255).astype(np.uint8)
    return Image.fromarray(np.stack([gray, gray, gray // 2 + 60], axis=2)).convert(mode)


MAGENTA = encoded(Image.new("RGB", (160, 120), (255, 0, 255)), "JPEG")
# The marker as it may be written: its entropy-coded middle raw, in base64 at every alignment, and in hexadecimal.
_PIECE = MAGENTA[620:660]
_BASE64 = [base64.b64encode(MAGENTA[620 + shift :])[4:48] for shift in range(3)]


def holds_marker(data: bytes) -> bool:
    """True if the magenta picture is in the bytes, raw or as text, or if any JPEG in them is magenta."""
    flat = data.replace(b"\n", b"").replace(b"\x00", b"")
    if _PIECE in data or _PIECE.hex().encode() in flat.lower() or any(piece in flat for piece in _BASE64):
        return True
    return any(_is_magenta(data[at:]) for at in _starts(data))


def _starts(data: bytes) -> list[int]:
    return [at for at in range(len(data)) if data.startswith(b"\xff\xd8\xff", at)]


def _is_magenta(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data)) as image:
            red, green, blue = np.asarray(image.convert("RGB"), float).mean(axis=(0, 1))
    except (OSError, ValueError, SyntaxError, struct.error):
        return False
    return bool(red > 200 and green < 60 and blue > 200)


def camera_exif(*, order: str = ">", note: bytes = b"Nikon\x00" + MAGENTA, thumbnail: bytes | None = MAGENTA) -> bytes:
    """An EXIF block as cameras write it, in either byte order, without the marker of JPEG segments."""
    tables = {
        "0th": {
            piexif.ImageIFD.Make: b"Maker",
            piexif.ImageIFD.Model: b"Model 1",
            piexif.ImageIFD.Orientation: 6,
            piexif.ImageIFD.ImageDescription: "A day at the lake, schön".encode(),
            piexif.ImageIFD.Artist: b"Olga Owner",
            piexif.ImageIFD.Copyright: b"(c) Olga Owner",
            piexif.ImageIFD.Rating: 4,
            piexif.ImageIFD.XPTitle: tuple("Lake\0".encode("utf-16-le")),
            piexif.ImageIFD.XPKeywords: tuple("Anna;lake\0".encode("utf-16-le")),
        },
        "Exif": {
            piexif.ExifIFD.DateTimeOriginal: b"2021:05:06 07:08:09",
            piexif.ExifIFD.OffsetTimeOriginal: b"+02:00",
            piexif.ExifIFD.FNumber: (28, 10),
            piexif.ExifIFD.PixelXDimension: 4000,
            piexif.ExifIFD.PixelYDimension: 3000,
            piexif.ExifIFD.LensModel: b"50mm",
            piexif.ExifIFD.BodySerialNumber: b"SERIAL-4711",
            piexif.ExifIFD.CameraOwnerName: b"Olga Owner",
            piexif.ExifIFD.MakerNote: note,
            piexif.ExifIFD.UserComment: b"ASCII\0\0\0calm water",
        },
        "GPS": {1: b"N", 2: ((47, 1), (30, 1), (0, 1)), 3: b"E", 4: ((9, 1), (15, 1), (0, 1))},
        "Interop": {1: b"R98"},
    }
    if thumbnail:
        tables |= {"1st": {piexif.ImageIFD.Compression: 6}, "thumbnail": thumbnail}
    block = piexif.dump(tables)[6:]
    return block if order == ">" else _swapped(block)


def _swapped(block: bytes) -> bytes:
    """The same block in little-endian order, rebuilt by hand from Pillow's reading of it (without a thumbnail)."""
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + block)
    exif.endian = "<"
    return exif.tobytes()[6:]


def segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """A JPEG with segments inserted right behind its start."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def plain_jpeg(**options: object) -> bytes:
    return encoded(scene(), "JPEG", **{"quality": 90, **options})


def packet(properties: str, spaces: str = "") -> bytes:
    """An XMP packet with these property elements; `spaces` declares what is not declared already."""
    known = "".join(f' xmlns:{prefix}="{uri}"' for uri, prefix in xmp_packet.PREFIXES.items() if uri[-1] in "/#")
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about=""{known}{spaces}>{properties}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


MAGENTA_64 = base64.b64encode(MAGENTA).decode()
THUMBNAILS_XMP = packet(
    '<xmp:Thumbnails><rdf:Alt><rdf:li rdf:parseType="Resource"><xmpGImg:format>JPEG</xmpGImg:format>'
    f"<xmpGImg:image>{MAGENTA_64}</xmpGImg:image></rdf:li></rdf:Alt></xmp:Thumbnails>"
    '<dc:title><rdf:Alt><rdf:li xml:lang="x-default">Lake</rdf:li></rdf:Alt></dc:title>'
)


def xmp_segment(data: bytes) -> bytes:
    return segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00" + data)


def photoshop(resource: int, content: bytes) -> bytes:
    """An APP13 segment with one image resource."""
    body = b"8BIM" + struct.pack(">H", resource) + b"\x00\x00" + struct.pack(">I", len(content)) + content
    return segment(0xED, b"Photoshop 3.0\x00" + body + b"\x00" * (len(content) % 2))


def profile(extra: bytes = b"", behind: bytes = b"") -> bytes:
    """A color profile (header and nothing sensible) with content in it or behind it."""
    body = bytearray(128) + extra
    body[36:40] = b"acsp"
    body[:4] = struct.pack(">I", len(body))
    return bytes(body) + behind


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunks(png: bytes, *chunks: bytes) -> bytes:
    """A PNG with chunks inserted behind its header."""
    return png[:33] + b"".join(chunks) + png[33:]


def box(kind: bytes, body: bytes) -> bytes:
    """An ISO base media box."""
    return struct.pack(">I", len(body) + 8) + kind + body


def with_riff(webp: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP with RIFF chunks appended inside the container."""
    body = webp[8:]
    for kind, content in chunks:
        body += kind + struct.pack("<I", len(content)) + content + b"\x00" * (len(content) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


FULL_POLICIES = [
    Writing(),
    Writing(names=True),
    Writing(metadata="keep"),
    Writing(metadata="strip"),
    Writing(metadata="keep", thumbnails="drop"),
]


def bare_exif(thumbnail: bytes) -> bytes:
    """A clean block with any bytes as its thumbnail."""
    made, _ = exif.rebuild(None, frozenset(), exif.Frame(400, 300, 6), thumbnail)
    return made or b""


def meta_file(items: list[tuple[int, bytes]], references: bytes, properties: bytes = b"") -> bytes:
    """A HEIF skeleton: items with 100 bytes each, the first one being the main picture."""
    infe = b"".join(box(b"infe", b"\2\0\0\0" + struct.pack(">HH", n, 0) + kind + b"\0") for n, kind in items)
    media = box(b"mdat", b"\xff\xd8\xff\xe0" * 25 * len(items))
    shift = len(box(b"ftyp", b"heic\0\0\0\0"))
    rows = b"".join(struct.pack(">HHHII", n, 0, 1, shift + 8 + 100 * i, 100) for i, (n, _) in enumerate(items))
    body = (
        bytes(4)
        + box(b"pitm", bytes(4) + struct.pack(">H", items[0][0]))
        + box(b"iinf", bytes(4) + struct.pack(">H", len(items)) + infe)
        + box(b"iloc", bytes(4) + b"\x44\x00" + struct.pack(">H", len(items)) + rows)
        + box(b"iref", bytes(4) + references)
        + properties
    )
    return box(b"ftyp", b"heic\0\0\0\0") + media + box(b"meta", body)


def reference(kind: bytes, source: int, *targets: int) -> bytes:
    return box(kind, struct.pack(f">HH{len(targets)}H", source, len(targets), *targets))
