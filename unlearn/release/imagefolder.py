"""Releases as folders of PNG files, split/class/000123.png, with one metadata.jsonl a split.

`datasets` drops the labels of class folders once there is metadata, so the metadata holds them too; it needs
a file in every split folder. torchvision numbers classes by their sorted folder names.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from unlearn.release.stored import Finding, Row, path_problem

METADATA = "metadata.jsonl"
_LONGEST = 40
_WINDOWS = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])", re.IGNORECASE)
# `datasets` takes folders of these names, or with such a word between separators, for splits.
_SPLIT_WORD = re.compile(
    r"(?<![A-Za-z])(train(?:ing)?|test(?:ing)?|val(?:id|idation)?|dev|eval(?:uation)?)(?![A-Za-z])",
    re.IGNORECASE,
)


def data_files(split: str) -> str:
    """The pattern of a split's files, for the card."""
    return f"{split}/**"


def folders(classes: Sequence[str]) -> list[str]:
    """Safe folder names for class names, sorted as the labels are; numbered only if they have to be."""
    names = [_safe(name) for name in classes]
    if names == sorted(names) and len({name.lower() for name in names}) == len(names):
        return names
    digits = len(str(len(names) - 1))
    return [f"{label:0{digits}d}-{name}" for label, name in enumerate(names)]


def _safe(name: str) -> str:
    """ASCII letters, digits, `-` and `_`; no reserved name, no split's name, nothing hidden."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", plain).strip("_-")[:_LONGEST].rstrip("_-")
    plain = _SPLIT_WORD.sub(r"\1class", plain)
    return f"{plain}_class" if _WINDOWS.fullmatch(plain) else plain or "class"


def belongs(path: str, split: str, classes: Sequence[str]) -> bool:
    """Whether a file of this relative path is part of a split."""
    parts = path.split("/")
    if parts == [split, METADATA]:
        return True
    return len(parts) == 3 and parts[0] == split and parts[1] in folders(classes) and path_problem(parts[2]) is None


def write(folder: Path, split: str, rows: Iterator[Row], classes: Sequence[str], shard_bytes: int) -> None:
    """Write a split, one file a sample; every class gets its folder, so that labels cannot shift."""
    names = folders(classes)
    for name in names:
        (folder / split / name).mkdir(parents=True)
    with (folder / split / METADATA).open("w", encoding="utf-8", newline="\n") as metadata:
        for row in rows:
            file_name = f"{names[row.label]}/{row.path}"
            (folder / split / file_name).write_bytes(row.data)
            metadata.write(json.dumps({"file_name": file_name, "label": row.label, "id": row.id}) + "\n")


def read(folder: Path, split: str, classes: Sequence[str]) -> Iterator[Row | Finding]:
    """The rows of a split in order; what cannot be read comes as a finding."""
    seen: set[str] = set()
    names = folders(classes)
    for place, line in texts(folder, split):
        yield from _read_line(folder / split, place, line, names, seen)
    pictures = ((folder / split).glob(f"{name}/*") for name in names)
    found = {path.relative_to(folder / split).as_posix() for paths in pictures for path in paths}
    if not (folder / split / METADATA).is_file():
        yield Finding(f"{split}/{METADATA}", "is missing")
    yield from (Finding(f"{split}/{name}", f"is not in {METADATA}") for name in sorted(found - seen))


def _read_line(folder: Path, place: str, line: str, names: Sequence[str], seen: set[str]) -> Iterator[Row | Finding]:
    try:
        entry = json.loads(line)
        file_name, label, identity = (entry.pop(key) for key in ("file_name", "label", "id"))
        parent, _, name = file_name.rpartition("/")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        yield Finding(place, "not a JSON object with file_name, label and id")
        return
    yield from (Finding(place, f'key "{key}" is not part of a release') for key in entry)
    problem = _place_problem(file_name, parent, name, label, names, file_name in seen)
    if problem:
        yield Finding(place, problem)
        return
    seen.add(file_name)
    yield _read_picture(folder / file_name, place, name, label, identity)


def _place_problem(file_name: str, parent: str, name: str, label: Any, names: Sequence[str], again: bool) -> str | None:
    """Anyone may have written the metadata: only a plain name in a known folder is opened."""
    if again:
        return f"{file_name} is named twice"
    if parent not in names:
        return path_problem(file_name)
    if isinstance(label, int) and names.index(parent) != label:
        return f"label {label} in the folder of label {names.index(parent)} ({parent})"
    return path_problem(name)


def _read_picture(path: Path, place: str, name: str, label: Any, identity: Any) -> Row | Finding:
    if path.is_symlink() or path.parent.is_symlink():
        return Finding(place, f"{name} is a link")
    try:
        return Row(place, path.read_bytes(), name, label, identity)
    except OSError as error:
        return Finding(place, f"{name} cannot be read ({error.strerror})")


def texts(folder: Path, split: str) -> Iterator[tuple[str, str]]:
    """The lines of a split's metadata, with their places."""
    path = folder / split / METADATA
    if path.is_file() and not path.is_symlink():
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file):
                yield f"{split}/{METADATA} row {number}", line
