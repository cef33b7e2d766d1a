"""What a file is, by its content first: suffixes lie, and `.jpg` files that are HEIC are common."""

import struct
from dataclasses import dataclass

LEFT_OUT = {
    "gif": "GIF: 256 colors and animations are not rewritten",
    "jxl": "JPEG XL: no codec for it here",
    "psd": "Photoshop document, no photo format",
    "pdf": "PDF document",
    "svg": "vector drawing",
    "jp2": "JPEG 2000: no codec for it here",
    "sidecar": "sidecar of a photo",
    "other": "no photo",
}
RAW = ("cr2", "cr3", "crw", "nef", "arw", "dng", "raf", "orf", "rw2", "pef", "raw")
VIDEO = ("mp4", "mov", "avi", "mkv", "mpg")
SUFFIXES = {
    "jpeg": ("jpg", "jpeg", "jpe", "jfif", "mpo"),
    "png": ("png",),
    "webp": ("webp",),
    "tiff": ("tif", "tiff"),
    "bmp": ("bmp", "dib"),
    "heif": ("heic", "heif", "hif"),
    "avif": ("avif",),
}
SIDECARS = ("xmp", "aae", "json")
# Suffixes of RAW files that begin like a TIFF; the content alone would not tell them from one.
TIFF_RAW = (
    *("cr2", "nef", "nrw", "arw", "sr2", "srf", "dng", "pef", "3fr", "iiq", "erf", "mos", "kdc", "dcr", "srw", "raw"),
)
STARTS = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"\xff\x0a", "jxl"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"8BPS", "psd"),
    (b"%PDF-", "pdf"),
    (b"FUJIFILMCCD-RAW", "raf"),
    (b"IIRO", "orf"),
    (b"IIRS", "orf"),
    (b"MMOR", "orf"),
    (b"IIU\0", "rw2"),
    (b"\0MRM", "raw"),
    (b"FOVb", "raw"),
    (b"\x1a\x45\xdf\xa3", "mkv"),
    (b"\0\0\x01\xba", "mpg"),
    (b"\0\0\x01\xb3", "mpg"),
)
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"heif"}
AVIF_BRANDS = {b"avif", b"avis"}
BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
DNG_VERSION, NEW_SUBFILE, SUB_IFDS = 50706, 254, 330


@dataclass(frozen=True)
class Kind:
    """What a file is.

    format: jpeg, png, webp, tiff, bmp, heif, avif, gif, jxl, jp2, psd, pdf, svg, a RAW kind (cr2, nef ...),
        a video kind (mp4 ...), sidecar, other.
    photo: a codec is there to read it. reason: why it is left out; empty for photos.
    """

    format: str
    photo: bool
    reason: str = ""


def kind(head: bytes, name: bytes) -> Kind:
    """Tell a file's kind from its first 4096 bytes and, where they do not decide, from its name.

    Empty and unrecognizable files with a photo's suffix count as photos of that suffix, so that reading them says
    what is wrong instead of passing them over.
    """
    ending = suffix(name)
    found = _by_content(head, ending)
    if not found:
        found = next((known for known, endings in SUFFIXES.items() if ending in endings), "")
    if not found:
        found = "sidecar" if ending in SIDECARS else ending if ending in RAW + VIDEO else "other"
    return _kind(found)


def suffix(name: bytes) -> str:
    """The part of a file's name behind its last dot, in lower case; empty if there is none."""
    return name.rpartition(b".")[2].decode("ascii", "replace").lower() if b"." in name else ""


def wrong_suffix(kind: Kind, name: bytes) -> str:
    """A note such as "a HEIF photo with the suffix .jpg", or an empty string; names are kept as they are."""
    ending = suffix(name)
    if not kind.photo or ending in SUFFIXES[kind.format]:
        return ""
    return f"a {kind.format.upper()} photo with the suffix .{ending}" if ending else f"a {kind.format.upper()} photo"


def _kind(format: str) -> Kind:
    if format in SUFFIXES:
        return Kind(format, True)
    if format in RAW:
        return Kind(format, False, f"RAW ({format.upper()}): holds clean previews and is never rewritten")
    if format in VIDEO:
        return Kind(format, False, f"video ({format.upper()})")
    return Kind(format, False, LEFT_OUT[format])


def _by_content(head: bytes, ending: str) -> str:
    for start, format in STARTS:
        if head.startswith(start):
            return format
    if head.startswith(TIFF_STARTS):
        return _tiff(head, ending)
    if head[:4] == b"RIFF":
        return {b"WEBP": "webp", b"AVI ": "avi"}.get(head[8:12], "other")
    if head[4:8] == b"ftyp":
        return _brand(head)
    if head[4:8] in (b"moov", b"mdat", b"wide", b"pnot", b"skip"):
        return "mov"
    if head[6:14] == b"HEAPCCDR":
        return "crw"
    if head[:2] == b"BM" and len(head) >= 18 and struct.unpack_from("<I", head, 14)[0] in BMP_HEADERS:
        return "bmp"
    if b"<svg" in head[:1024] and head.lstrip()[:1] == b"<":
        return "svg"
    return ""


def _brand(head: bytes) -> str:
    """The kind of an ISO media file from its `ftyp` box; the major brand first, then the compatible ones."""
    length = min(struct.unpack_from(">I", head)[0], len(head), 256)
    major = head[8:12]
    brands = {major} | {head[at : at + 4] for at in range(16, length - 3, 4)}
    if major == b"crx ":
        return "cr3"
    if brands & AVIF_BRANDS and major not in HEIF_BRANDS - {b"mif1", b"mif2", b"msf1"}:
        return "avif"
    if brands & HEIF_BRANDS:
        return "heif"
    return "mov" if major == b"qt  " else "mp4"


def _tiff(head: bytes, ending: str) -> str:
    """TIFF or one of the RAW formats built on it: by magic numbers, by the first directory's tags, by suffix."""
    if head[8:10] == b"CR":
        return "cr2"
    tags = _first_tags(head)
    if DNG_VERSION in tags:
        return "dng"
    if ending in TIFF_RAW:
        return {"nrw": "nef", "sr2": "arw", "srf": "arw"}.get(ending, ending if ending in RAW else "raw")
    # Cameras put a reduced picture first and the RAW data into sub-directories; no photo editor writes that.
    if tags.get(NEW_SUBFILE, 0) & 1 and SUB_IFDS in tags:
        return "raw"
    return "tiff"


def _first_tags(head: bytes) -> dict[int, int]:
    """Tags of a classic TIFF's first directory with their raw 32-bit values, as far as `head` holds them."""
    order = "<" if head[:2] == b"II" else ">"
    if len(head) < 8 or head[2:4] not in (b"*\0", b"\0*"):
        return {}
    at = struct.unpack_from(order + "I", head, 4)[0]
    if at + 2 > len(head):
        return {}
    tags = {}
    for entry in range(at + 2, at + 2 + 12 * struct.unpack_from(order + "H", head, at)[0], 12):
        if entry + 12 > len(head):
            break
        tag, _, _, value = struct.unpack_from(order + "HHII", head, entry)
        tags[tag] = value
    return tags
