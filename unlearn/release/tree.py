"""The files of a release: which there are, which there should be, and their checksums."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from unlearn import files
from unlearn.release import leaks
from unlearn.release.formats import FORMATS
from unlearn.release.record import NAME, Release
from unlearn.release.stored import Finding

CARD = "README.md"
SUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64}) [ *]([^\\\n]+)")


def paths(folder: Path) -> list[str]:
    """Sorted relative paths of all plain files; links are not followed and not listed."""
    found = (Path(parent) / name for parent, _, names in os.walk(folder) for name in names)
    plain = (path for path in found if path.is_file() and not path.is_symlink())
    return sorted(path.relative_to(folder).as_posix() for path in plain)


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS, sorted, over every other file."""
    lines = (f"{files.sha256(folder / path)}  {path}\n" for path in paths(folder) if path != SUMS)
    files.write_text(folder / SUMS, "".join(lines))


def odd_entries(folder: Path) -> Iterator[Finding]:
    """Links, devices, and folders that hold nothing or belong to a tool."""
    for parent, folders, names in os.walk(folder):
        for path in (Path(parent) / name for name in sorted([*folders, *names])):
            place = path.relative_to(folder).as_posix()
            if path.is_symlink():
                yield Finding(place, "is a link")
            elif path.is_dir() and leaks.file_problem(place):
                yield Finding(place, str(leaks.file_problem(place)))
            elif not path.is_dir() and not path.is_file():
                yield Finding(place, "is not a plain file")


def foreign(found: list[str], release: Release) -> Iterator[Finding]:
    """Files that are no part of this release, and files that it lacks."""
    form = FORMATS[release.format]
    for path in found:
        known = path in (CARD, NAME, SUMS)
        if not known and not any(form.belongs(path, split, release.classes) for split in release.splits):
            yield Finding(path, leaks.file_problem(path) or "is not part of a release")
    if CARD not in found:
        yield Finding(CARD, "is missing")


def sums_problems(folder: Path, found: list[str]) -> Iterator[Finding]:
    """Lines that are malformed or out of order, wrong sums, and files without a line."""
    if SUMS not in found:
        yield Finding(SUMS, "is missing")
        return
    lines = (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    matches = [_LINE.fullmatch(line) for line in lines]
    yield from (Finding(f"{SUMS} line {i + 1}", "is malformed") for i, match in enumerate(matches) if not match)
    sums = [(match[2], match[1]) for match in matches if match]
    listed = [path for path, _ in sums]
    if listed != sorted(listed):
        yield Finding(SUMS, "is not sorted")
    yield from (Finding(SUMS, f"lists {path} {n} times") for path, n in Counter(listed).items() if n > 1)
    for path in sorted(set(found) - set(listed) - {SUMS}):
        yield Finding(path, f"is not in {SUMS}")
    for path, expected in sums:
        yield from _sum_problem(folder, path, expected, path in found)


def _sum_problem(folder: Path, path: str, expected: str, exists: bool) -> Iterator[Finding]:
    """Only files of the listing are opened, so that a hostile line cannot point elsewhere."""
    if not exists:
        yield Finding(path, f"is in {SUMS} but not in the folder")
        return
    try:
        if files.sha256(folder / path) != expected:
            yield Finding(path, "does not have the SHA-256 that SHA256SUMS says")
    except OSError as error:
        yield Finding(path, f"cannot be read ({error.strerror})")
