"""A CSV table of subjects: columns `path` (relative to the archive, forward slashes, or a glob) and `subject`.

The row that names a photo itself counts before globs; among globs, the first one that fits.
"""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from unlearn.errors import DataError
from unlearn.photos import persons
from unlearn.photos.persons import Labels, Region

SOURCE = "table"
_MOST_ERRORS = 20
_GLOB = re.compile(r"[*?\[]")


class Table:
    """A table that was read whole and checked; remembers which of its rows met a photo."""

    def __init__(self, path: Path):
        """Read a table.

        Raises:
            DataError: no such file, no such columns, or rows that cannot be meant; one line each, with its number.
        """
        self.path = path
        self._exact: dict[bytes, tuple[int, str]] = {}
        self._globs: list[tuple[int, re.Pattern[bytes], str]] = []
        self._texts: dict[int, str] = {}
        self._met: set[int] = set()
        problems = list(self._fill())
        if problems:
            more = len(problems) - _MOST_ERRORS
            raise DataError("\n".join(problems[:_MOST_ERRORS] + [f"{path}: {more} more problems"] * (more > 0)))

    def read(self, path: bytes) -> Labels:
        """The label of a photo by its path relative to the archive."""
        fitting = [self._exact[path]] if path in self._exact else []
        fitting += [(line, subject) for line, pattern, subject in self._globs if pattern.fullmatch(path)]
        self._met.update(line for line, _ in fitting)
        if not fitting:
            return Labels(SOURCE)
        line, subject = fitting[0]
        others = [f"line {n} says {other!r}" for n, other in fitting[1:] if other != subject]
        exact = path in self._exact
        notes = () if exact or not others else (f"line {line} of the table says {subject!r}, {others[0]}",)
        return Labels(SOURCE, (Region(subject, None, SOURCE),), notes)

    def unmet(self) -> list[str]:
        """Rows that no photo fitted so far, as `file, line N: path`."""
        return [f"{self.path}, line {n}: {self._texts[n]}" for n in sorted(self._texts.keys() - self._met)]

    def _fill(self) -> Iterator[str]:
        try:
            text = self.path.read_bytes().decode("utf-8-sig", "surrogateescape")
        except OSError as error:
            yield f"{self.path}: {error.strerror}"
            return
        first = text.partition("\n")[0]
        delimiter = next((d for d in ",;\t" if d in first), ",")
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            header = [cell.strip().lower() for cell in next(rows, [])]
            missing = [column for column in ("path", "subject") if column not in header]
            if missing:
                yield f"{self.path}, line 1: no column {' and no column '.join(missing)}; it needs `path,subject`"
                return
            where, who = header.index("path"), header.index("subject")
            for row in rows:
                yield from self._row(rows.line_num, row, where, who) if any(row) else ()
        except csv.Error as error:
            yield f"{self.path}, line {rows.line_num}: {error}"

    def _row(self, line: int, row: list[str], where: int, who: int) -> Iterator[str]:
        place = f"{self.path}, line {line}"
        if len(row) <= max(where, who):
            yield f"{place}: only {len(row)} columns"
            return
        path, subject = row[where].strip().removeprefix("./"), persons.name(row[who])
        if problem := _problem(path, subject):
            yield f"{place}: {problem}"
            return
        key = path.encode("utf-8", "surrogateescape")
        self._texts[line] = key.decode("utf-8", "backslashreplace")
        if _GLOB.search(path):
            try:
                self._globs.append((line, _pattern(key), subject))
            except re.error as error:
                yield f"{place}: {path!r} is no pattern ({error})"
        before = self._exact.setdefault(key, (line, subject))
        if before[1] != subject:
            yield f"{place}: {self._texts[line]!r} is {before[1]!r} on line {before[0]}"


def _problem(path: str, subject: str) -> str:
    if not path:
        return "no path"
    if not subject:
        return "no subject"
    if path.startswith("/") or re.match(r"[A-Za-z]:[\\/]", path):
        return f"{path!r} must be relative to the folder of photos"
    if ".." in path.split("/"):
        return f"{path!r} leads out of the folder of photos"
    return f"{path!r} has backslashes; write forward slashes" if "\\" in path and "/" not in path else ""


def _pattern(glob: bytes) -> re.Pattern[bytes]:
    """`*` and `?` stay within a folder, `**` goes through all, `[...]` is a set, as in gitignore files."""
    parts = re.split(rb"(\*\*/|\*+|\?|\[!?[^]/]+\])", glob)
    known = {b"**/": rb"(?:[^/]+/)*", b"*": rb"[^/]*", b"**": rb".*", b"?": rb"[^/]"}
    return re.compile(b"".join(known.get(part) or _literal(part) for part in parts), re.DOTALL)


def _literal(part: bytes) -> bytes:
    if part.startswith(b"[") and part.endswith(b"]") and len(part) > 2:
        inside = part[1:-1].replace(b"\\", rb"\\").replace(b"^", rb"\^").replace(b"&", rb"\&").replace(b"|", rb"\|")
        return b"[" + (b"^" + inside[1:] if inside.startswith(b"!") else inside) + b"]"
    return re.escape(part)
