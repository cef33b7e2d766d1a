"""What is known of one file of an archive: a row of the manifest."""

import base64
import json
from dataclasses import dataclass, fields
from typing import Any, Literal

Status = Literal["protected", "copied", "left-out", "damaged", "failed"]
STATUSES: tuple[Status, ...] = ("protected", "copied", "left-out", "damaged", "failed")


@dataclass(frozen=True, slots=True)
class Row:
    """One source file and what became of it.

    path, out_path: relative to PHOTOS and OUT, as bytes. size, mtime_ns, sha256: of the source.
    pixel_hash: of its upright samples. recipe_hash, key_id, version: what made the output; with size and mtime_ns
    they decide whether it has to be made again. epsilon: the key's budget, in [0, 1].
    linf, linf_p999: in levels of 255, measured on the written file.
    kept: share of the noise that survived. dropped: clean copies and metadata left behind, counted by kind.
    faces, faces_protected: found in the original, and with noise on them; None where nobody looked. faces_small: left
    alone because they are too small for recognisers. faces_moved: with noise, but no longer found where they were.
    face_side: pixels of the smallest with noise. face_psnr, face_ssim: of the worst of them.
    source: number of the folder of photos that the file came from. twin_of: path of an equal file.
    """

    path: bytes
    status: Status
    reason: str = ""
    out_path: bytes | None = None
    size: int = 0
    mtime_ns: int = 0
    sha256: bytes | None = None
    pixel_hash: bytes | None = None
    out_size: int | None = None
    out_sha256: bytes | None = None
    recipe_hash: bytes | None = None
    key_id: str | None = None
    version: str = ""
    epsilon: float | None = None
    subject: str = ""
    format: str = ""
    width: int | None = None
    height: int | None = None
    linf: float | None = None
    linf_p999: float | None = None
    psnr: float | None = None
    ssim: float | None = None
    kept: float | None = None
    dropped: str = "{}"
    notes: str = "[]"
    twin_of: bytes | None = None
    source: int = 0
    faces: int | None = None
    faces_protected: int | None = None
    faces_small: int | None = None
    faces_moved: int | None = None
    face_side: int | None = None
    face_psnr: float | None = None
    face_ssim: float | None = None

    @property
    def has_output(self) -> bool:
        """True where a file of this row lies in OUT."""
        return self.out_path is not None and self.out_sha256 is not None


COLUMNS = tuple(field.name for field in fields(Row))
_PATHS = ("path", "out_path", "twin_of")
_PRIVATE = ("sha256", "pixel_hash", "reason", "subject", "notes", "twin_of", "mtime_ns")
_HASHES = ("sha256", "pixel_hash", "out_sha256", "recipe_hash")


def shown(path: bytes) -> str:
    """A path for people: undecodable bytes and control characters are escaped."""
    text = path.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def record(row: Row, number: int | None = None) -> dict[str, Any]:
    """A row as one JSON object; with a number, redacted: names, persons, and hashes of what only the owner has go."""
    facts: dict[str, Any] = {name: getattr(row, name) for name in COLUMNS if name not in (*_PATHS, "source")}
    for name in _PATHS:
        value = getattr(row, name)
        if value is not None:
            facts |= _named(name, value) if number is None else {name: _numbered(number, value)}
    for name in _HASHES:
        facts[name] = facts[name].hex() if facts[name] is not None else None
    facts["dropped"], facts["notes"] = json.loads(row.dropped), json.loads(row.notes)
    private = () if number is None else _PRIVATE
    return {name: facts[name] for name in sorted(facts) if name not in private}


def _named(name: str, value: bytes) -> dict[str, str]:
    return {name: shown(value), f"{name}_b64": base64.b64encode(value).decode()}


def _numbered(number: int, path: bytes) -> str:
    suffix = path.rpartition(b"/")[2].rpartition(b".")
    return f"{number:06}.{shown(suffix[2])}" if suffix[0] else f"{number:06}"
