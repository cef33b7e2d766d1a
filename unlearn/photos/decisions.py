"""Which files have to be made again: those whose original, recipe, key, place or output is not what it was."""

import hashlib
import os
import stat

from unlearn.photos import carrying, originals
from unlearn.photos.face_noise import ALL_SMALL, NO_FACE, NO_KEY
from unlearn.photos.picture import LeftOut
from unlearn.photos.protecting import AS_IT_IS, FILTERED, NOTHING_LEFT, OURS
from unlearn.photos.rows import Row
from unlearn.photos.settings import Archive
from unlearn.photos.survey import Item

ELSEWHERE = (
    "OUT holds a file of this name from another folder of photos; use another OUT, "
    "or --moved if PHOTOS is the same archive at a new place"
)


NO_PHOTO, SKIPPED = "its photo is not in OUT", "sidecars are left out"


def same_original(item: Item, row: Row) -> bool:
    """Size and time of the original are what they were."""
    return (row.size, row.mtime_ns) == (item.size, item.mtime_ns)


def up_to_date(item: Item, out: bytes, row: Row | None, archive: Archive, version: str) -> bool:
    """True if nothing has to be done for a file."""
    if row is None or row.status == "failed" or not same_original(item, row):
        return False
    if (row.recipe_hash, row.version) != (archive.recipe_hash, version) or not _as_wished(item, row, archive):
        return False
    if row.has_output and not (_where_it_belongs(item, out, row) and _output_is_there(row, archive)):
        return False
    return not archive.check_hash or _contents_agree(item, row, archive)


def _as_wished(item: Item, row: Row, archive: Archive) -> bool:
    """The same would become of the file now: the same key, and copied or left out as the user says."""
    if item.task == "sidecar":
        wished = {"filter": (FILTERED, NOTHING_LEFT), "copy": (AS_IT_IS,), "skip": (SKIPPED,)}
        return row.reason in wished[archive.sidecars]
    if item.task == "other":
        return row.status == ("copied" if archive.others == "copy" else "left-out")
    mark = carrying.mark(item.subject, item.named, archive)
    if row.status == "protected":
        return row.key_id == mark
    if row.reason in (NO_FACE, NO_KEY, ALL_SMALL):
        return row.key_id == mark and (row.status == "copied") == (archive.faceless == "copy")
    return (row.status == "copied") == (archive.unprotected == "copy") or row.reason == OURS


def _where_it_belongs(item: Item, out: bytes, row: Row) -> bool:
    # A copy of an unprotectable photo keeps its own suffix, whatever the format of protected ones.
    return row.out_path == out or (row.status == "copied" and row.out_path == item.path)


def _output_is_there(row: Row, archive: Archive) -> bool:
    try:
        facts = os.lstat(os.path.join(os.fsencode(archive.out), row.out_path or b""))
    except OSError:
        return False
    return stat.S_ISREG(facts.st_mode) and facts.st_size == row.out_size


def _contents_agree(item: Item, row: Row, archive: Archive) -> bool:
    pairs = [(os.path.join(os.fsencode(archive.photos), item.path), row.sha256)]
    if row.has_output:
        pairs.append((os.path.join(os.fsencode(archive.out), row.out_path or b""), row.out_sha256))
    return all(expected is None or digest(path) == expected for path, expected in pairs)


def digest(path: bytes) -> bytes | None:
    """SHA-256 of a file, or None if it cannot be read."""
    try:
        with os.fdopen(originals.opened(path, follow_links=True), "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except (OSError, LeftOut):
        return None
