"""Signs of a picture inside bytes that should hold none: raw, in base64, or in hexadecimal digits."""

import base64
import binascii
import re
from collections.abc import Iterator

# A JPEG marker that may follow the start of an image: tables, frames, scans, segments, comments.
_AFTER_SOI = rb"[\xc0-\xc7\xc9-\xcb\xcd-\xcf\xda\xdb\xdd\xe0-\xef\xfe]"
_BRANDS = rb"(?:hei|hev|mif|msf|avi|mp4|iso|M4V|qt  |3gp|crx|jp2|jpx|heim|heis)"
_PICTURES = {
    "JPEG": re.compile(rb"\xff\xd8\xff" + _AFTER_SOI),
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "WebP": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    "HEIF, AVIF or video": re.compile(rb"\x00\x00.{2}ftyp" + _BRANDS, re.DOTALL),
    "GIF": re.compile(rb"GIF8[79]a"),
    "JPEG XL": re.compile(rb"\x00\x00\x00\x0cJXL \r\n\x87\n"),
    "JPEG 2000": re.compile(rb"\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51\x00"),
    "BMP": re.compile(rb"BM.{4}\x00{4}.{2}\x00\x00[\x0c\x28\x40\x6c\x7c]\x00\x00\x00", re.DOTALL),
    "TIFF": re.compile(rb"II\*\x00.{2}\x00\x00|MM\x00\*\x00\x00", re.DOTALL),
    "Matroska": re.compile(rb"\x1aE\xdf\xa3"),
}
_DATA_URI = re.compile(rb"data:(?:image|video)/", re.IGNORECASE)
_NOISE = re.compile(rb"\s|&#x?[0-9A-Fa-f]{1,3};")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{24,}")
_HEX = re.compile(rb"[0-9A-Fa-f]{24,}")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


def find(data: bytes, *, strict: bool = False) -> Iterator[tuple[str, int]]:
    """Kind and position of the first picture of each kind that starts in raw bytes.

    Args:
        strict: for long tables of arbitrary numbers, such as in color profiles, where three bytes can be chance:
            a JPEG then needs whole segments behind its start.
    """
    for kind, pattern in _PICTURES.items():
        for match in pattern.finditer(data):
            if not strict or kind != "JPEG" or _two_segments(data, match.start() + 2):
                yield kind, match.start()
                break


def _two_segments(data: bytes, position: int) -> bool:
    """True if a JPEG segment starts here and leads to another marker, or to the end of the data."""
    length = int.from_bytes(data[position + 2 : position + 4], "big")
    following = data[position + 2 + length : position + 3 + length]
    return length >= 2 and (following == b"\xff" or (not following and length <= 256))


def find_encoded(text: bytes) -> list[str]:
    """Kinds of pictures that are written as text: data URIs, base64, hexadecimal digits; at any alignment."""
    found = ["data URI"] if _DATA_URI.search(text) else []
    plain = _NOISE.sub(b"", text)
    for match in _BASE64.finditer(plain):
        run = match.group().translate(_URL_SAFE)
        decoded = (base64.b64decode(run[shift:][: (len(run) - shift) // 4 * 4]) for shift in range(4))
        found += [f"{kind} in base64" for part in decoded for kind, _ in find(part)]
    for match in _HEX.finditer(plain):
        run = match.group()
        decoded = (binascii.unhexlify(run[shift:][: (len(run) - shift) // 2 * 2]) for shift in range(2))
        found += [f"{kind} in hexadecimal" for part in decoded for kind, _ in find(part)]
    return found


def in_block(data: bytes) -> list[str]:
    """Kinds of pictures in a metadata block of any sort: raw, as text, and as UTF-16 text."""
    found = [kind for kind, _ in find(data)]
    found += find_encoded(data)
    if b"\x00" in data:
        found += find_encoded(data.replace(b"\x00", b""))
    return list(dict.fromkeys(found))
