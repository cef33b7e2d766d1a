"""The beginning of a file: enough to tell its kind, its size, and who is named inside, without decoding it."""

import os
import re
from dataclasses import dataclass

from unlearn.photos import exif, originals, sniffing
from unlearn.photos.codecs import codec
from unlearn.photos.persons import View
from unlearn.photos.picture import Damaged, LeftOut
from unlearn.photos.sniffing import Kind

HEAD = 4096
# XMP lies behind EXIF near the start; in other formats than JPEG it may lie at the end.
LABELED_HEAD, LABELED_TAIL = 1 << 17, 1 << 16
_PACKET = re.compile(rb"<x:xmpmeta.*?</x:xmpmeta>|<rdf:RDF.*?</rdf:RDF>", re.DOTALL)
_EXIF = b"Exif\0\0"


@dataclass(frozen=True, slots=True)
class Peek:
    """A file's kind, and for photos whose labels are wanted its XMP packet and view."""

    kind: Kind
    xmp: bytes | None = None
    view: View = View(1, 1)


def peek(path: bytes, labels: bool, follow_links: bool = False) -> Peek:
    """Read the beginning of a file, and with `labels` what of its metadata tells persons.

    Raises:
        OSError: it vanished or may not be read.
    """
    handle = originals.opened(path, follow_links)
    try:
        head = os.read(handle, HEAD)
        kind = sniffing.kind(head, os.path.basename(path))
        if not (labels and kind.photo):
            return Peek(kind)
        parts = _parts(handle, head, kind.format != "jpeg")
    finally:
        os.close(handle)
    packet = next((found[0] for found in map(_PACKET.search, parts) if found), None)
    return Peek(kind, packet, _view(kind, parts[0]))


def _parts(handle: int, head: bytes, tail: bool) -> list[bytes]:
    size = os.fstat(handle).st_size
    parts = [head + _more(handle, len(head), LABELED_HEAD)]
    if tail and size > LABELED_HEAD:
        parts.append(_more(handle, max(LABELED_HEAD, size - LABELED_TAIL), LABELED_TAIL))
    return parts


def _more(handle: int, at: int, count: int) -> bytes:
    os.lseek(handle, at, os.SEEK_SET)
    return os.read(handle, count)


def _view(kind: Kind, head: bytes) -> View:
    """Size and orientation as far as the beginning tells them; boxes of faces need them, names do not."""
    at = head.find(_EXIF)
    turned = exif.orientation(head[at + len(_EXIF) : at + (1 << 16)]) if at >= 0 else 1
    try:
        width, height = codec(kind.format).size(head)
    except (LeftOut, Damaged):
        return View(1, 1, turned)
    return View(width, height, turned)
