"""Names of outputs: the source's own, but where two would become one file.

Decided from the sorted list of all sources, so that it is the same in every run.
"""

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path


def ignores_case(folder: Path) -> bool:
    """Whether the file system of a folder, or of its nearest parent that exists, holds A and a for one name."""
    for place in (folder, *folder.absolute().parents):
        if place.exists() and place.name.swapcase() != place.name:
            other = place.with_name(place.name.swapcase())
            return other.exists() and os.path.samefile(place, other)
    return False


def outputs(wished: Iterable[tuple[bytes, bytes]], case_folded: bool = False) -> dict[bytes, bytes]:
    """Output paths that differ from what is wished: source -> output.

    Args:
        wished: (source, output it would have), sorted by source. Who keeps his name comes before who changes it.
        case_folded: A and a are one name.
    """
    taken: set[bytes] = set()
    changed: list[tuple[bytes, bytes]] = []
    given: dict[bytes, bytes] = {}
    for source, out in wished:
        spelling = _spelling(out, case_folded)
        if out != source or spelling in taken:
            changed.append((source, out))
        else:
            taken.add(spelling)
    for source, out in changed:
        name = next(choice for choice in _choices(source, out) if _spelling(choice, case_folded) not in taken)
        taken.add(_spelling(name, case_folded))
        given[source] = name
    return given


def _spelling(path: bytes, case_folded: bool) -> bytes:
    """Equal for names that some file system holds for one: composed and decomposed letters, maybe upper and lower."""
    if path.isascii():
        return path.lower() if case_folded else path
    text = unicodedata.normalize("NFC", path.decode("utf-8", "surrogateescape"))
    if case_folded:
        text = unicodedata.normalize("NFC", text.casefold())
    return text.encode("utf-8", "surrogateescape")


def _choices(source: bytes, out: bytes) -> Iterable[bytes]:
    """IMG_1.jpg, IMG_1.heic.jpg, then IMG_1.2.jpg, IMG_1.3.jpg ... for IMG_1.HEIC written as JPEG."""
    yield out
    stem, dot, suffix = out.rpartition(b".")
    old = source.rpartition(b".")[2].lower()
    if old != suffix.lower():
        yield stem + b"." + old + dot + suffix
    number = 2
    while True:
        yield stem + b".%d" % number + dot + suffix if dot and stem else out + b".%d" % number
        number += 1


def jpeg_name(path: bytes) -> bytes:
    """The name of a photo of another format that is written as JPEG."""
    folder, slash, name = path.rpartition(b"/")
    stem, dot, _ = name.rpartition(b".")
    return folder + slash + (stem if dot and stem else name) + b".jpg"
