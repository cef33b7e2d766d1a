"""What has become of every file so far: rows in the manifest, counts of this run, outputs that nobody owns any more."""

import contextlib
import dataclasses
import os
import sqlite3
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from unlearn.photos import decisions
from unlearn.photos.display import Tick
from unlearn.photos.manifest import Manifest
from unlearn.photos.protecting import OURS
from unlearn.photos.rows import Row, shown
from unlearn.photos.settings import Archive
from unlearn.photos.survey import Item

REMEMBERED = 1000  # failures that are named; more are only counted


@dataclass
class Tally:
    """Of one run. worked: by status. unchanged: nothing had to be done. failures: path and reason.

    still: files that were damaged in an earlier run and have not changed.
    """

    worked: Counter[str] = field(default_factory=Counter)
    unchanged: int = 0
    still: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    pruned: int = 0
    bytes: int = 0

    @property
    def troubled(self) -> int:
        """Files that failed or are damaged."""
        return self.worked["failed"] + self.worked["damaged"] + self.still


class Ledger:
    """Writes rows, one after the other."""

    def __init__(
        self, archive: Archive, manifest: Manifest, version: str, tick: Tick, planned: Callable[[], dict[bytes, bytes]]
    ):
        self.archive, self.manifest, self.version, self.tick = archive, manifest, version, tick
        self.source = manifest.source(os.fsencode(archive.photos.resolve()))
        self.tally = Tally()
        self._planned = planned

    def row(self, item: Item, out: bytes) -> Row | None:
        """The row of a file for which nothing has to be done, or None."""
        row = self.manifest.get(item.path)
        return row if decisions.up_to_date(item, out, row, self.archive, self.version) else None

    def foreign(self, item: Item) -> bool:
        """True where OUT holds another photo under this name, from another folder of photos."""
        row = self.manifest.get(item.path)
        if row is None or row.source == self.source or self.archive.moved or not row.has_output:
            return False
        return not decisions.same_original(item, row)

    def unchanged(self, item: Item, row: Row) -> None:
        """Count a file for which nothing had to be done."""
        if row.source != self.source:
            self.manifest.put(dataclasses.replace(row, source=self.source))
        self.tally.unchanged += 1
        self.tally.still += row.status == "damaged"
        self._note(row)
        self.tick(row, item.size, False)

    def record(self, item: Item, row: Row, keep: bool = True) -> None:
        """Write what has become of a file; with `keep` False only tell it."""
        old = self.manifest.get(row.path) if keep else None
        row = self._complete(row, old)
        self.tally.worked[row.status] += 1
        self.tally.bytes += item.size
        self._note(row)
        if keep:
            self._put(row)
            if old and old.out_path and old.out_path != row.out_path:
                self._remove_orphan(old.out_path, row.path)
        self.tick(row, item.size, True)

    def _complete(self, row: Row, old: Row | None) -> Row:
        """Add what only this side knows; a file that could not be read keeps the output it had."""
        row = dataclasses.replace(row, recipe_hash=self.archive.recipe_hash, version=self.version, source=self.source)
        if old is None or not old.has_output:
            return row
        if row.reason == OURS and old.out_sha256 == row.sha256:  # the protected copy has taken its original's place
            return dataclasses.replace(old, size=row.size, mtime_ns=row.mtime_ns, sha256=row.sha256)
        if row.status in ("failed", "damaged"):
            return dataclasses.replace(
                row, out_path=old.out_path, out_size=old.out_size, out_sha256=old.out_sha256, key_id=old.key_id
            )
        return row

    def _put(self, row: Row) -> None:
        with contextlib.suppress(sqlite3.OperationalError):  # a full disk: the next run makes the file again
            self.manifest.put(row)

    def _note(self, row: Row) -> None:
        if row.status in ("failed", "damaged") and len(self.tally.failures) < REMEMBERED:
            self.tally.failures.append((shown(row.path), row.reason))

    def _remove_orphan(self, path: bytes, source: bytes) -> None:
        """Delete an output that its source has left, unless another file has taken the name or is going to."""
        if self.manifest.owner(path) is None and self._planned().get(path, source) == source:
            remove(os.fsencode(self.archive.out), path)


def remove(out: bytes, path: bytes) -> None:
    """Delete an output, and the folders that are empty then."""
    full = os.path.join(out, path)
    with contextlib.suppress(OSError):
        if stat.S_ISREG(os.lstat(full).st_mode):
            os.unlink(full)
        folder = os.path.dirname(path)
        while folder:
            os.rmdir(os.path.join(out, folder))
            folder = os.path.dirname(folder)
