"""The state of a protected archive: one SQLite row a file, and its export as JSON lines.

It holds names and hashes of originals, so it is private: its folder is 0700 and is not to be shared with the photos.
"""

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unlearn import files
from unlearn.errors import OutputError
from unlearn.photos.locking import locked
from unlearn.photos.rows import COLUMNS, STATUSES, Row, record

FOLDER, NAME, EXPORT = ".unlearn", "manifest.db", "manifest.jsonl"
VERSION = 2
ROWS_A_COMMIT, SECONDS_A_COMMIT = 100, 1.0

_QUOTED = ", ".join(f"'{status}'" for status in STATUSES)
SCHEMA = f"""
CREATE TABLE run (id INTEGER PRIMARY KEY, started_ns INTEGER, finished_ns INTEGER, version TEXT, libraries TEXT,
    recipe TEXT, recipe_hash BLOB, key_ids TEXT, exit_code INTEGER);
CREATE TABLE source (id INTEGER PRIMARY KEY, folder BLOB UNIQUE);
CREATE TABLE file (path BLOB PRIMARY KEY, status TEXT CHECK (status IN ({_QUOTED})), reason TEXT,
    out_path BLOB UNIQUE, size INTEGER, mtime_ns INTEGER, sha256 BLOB, pixel_hash BLOB,
    out_size INTEGER, out_sha256 BLOB, recipe_hash BLOB, key_id TEXT, version TEXT,
    epsilon REAL, subject TEXT, format TEXT, width INTEGER, height INTEGER,
    linf REAL, linf_p999 REAL, psnr REAL, ssim REAL, kept REAL,
    dropped TEXT, notes TEXT, twin_of BLOB, source INTEGER,
    faces INTEGER, faces_protected INTEGER, faces_small INTEGER, faces_moved INTEGER, face_side INTEGER,
    face_psnr REAL, face_ssim REAL) WITHOUT ROWID;
CREATE TABLE face (path BLOB, x REAL, y REAL, w REAL, h REAL, person TEXT, source TEXT, score REAL);
CREATE INDEX file_sha ON file(sha256);
CREATE INDEX file_out ON file(out_sha256);
PRAGMA user_version = {VERSION};
"""
# What became of the schema since version 1; every step leads to the next version.
STEPS = {
    1: """
ALTER TABLE file ADD COLUMN faces INTEGER;
ALTER TABLE file ADD COLUMN faces_protected INTEGER;
ALTER TABLE file ADD COLUMN faces_small INTEGER;
ALTER TABLE file ADD COLUMN faces_moved INTEGER;
ALTER TABLE file ADD COLUMN face_side INTEGER;
ALTER TABLE file ADD COLUMN face_psnr REAL;
ALTER TABLE file ADD COLUMN face_ssim REAL;
PRAGMA user_version = 2;
"""
}
_PUT = f"INSERT OR REPLACE INTO file ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"


class Manifest:
    """An open manifest. Rows are committed every 100 or every second, and when it is closed."""

    def __init__(self, connection: sqlite3.Connection):
        self.connection = connection
        self.waiting, self.committed = 0, time.monotonic()
        there = {name for (name,) in connection.execute("SELECT name FROM pragma_table_info('file')")}
        # Those of before there were faces are read as they are, where nothing may be written.
        self.columns = [name for name in COLUMNS if name in there]
        self.select = f"SELECT {', '.join(self.columns)} FROM file"

    def get(self, path: bytes) -> Row | None:
        """The row of a source file."""
        return next(self._rows(f"{self.select} WHERE path = ?", path), None)

    def rows(self) -> Iterator[Row]:
        """All rows, sorted by the bytes of their paths."""
        return self._rows(f"{self.select} ORDER BY path")

    def written(self, sha256: bytes) -> Row | None:
        """The row whose protected output has this hash: a source with it is a photo that we wrote."""
        return next(self._rows(f"{self.select} WHERE out_sha256 = ? AND status = 'protected'", sha256), None)

    def owner(self, out_path: bytes) -> bytes | None:
        """The source whose output has this path."""
        found = self.connection.execute("SELECT path FROM file WHERE out_path = ?", (out_path,)).fetchone()
        return bytes(found[0]) if found else None

    def ask(self, question: str, *values: Any) -> list[tuple[Any, ...]]:
        """Any SELECT over the schema, for summaries."""
        return self.connection.execute(question, values).fetchall()

    def _rows(self, question: str, *values: Any) -> Iterator[Row]:
        for found in self.connection.execute(question, values):
            yield Row(**dict(zip(self.columns, found, strict=True)))

    def put(self, row: Row) -> None:
        """Write or replace a row; a row that claims another's output takes it over."""
        self.connection.execute(_PUT, tuple(getattr(row, name) for name in COLUMNS))
        self.waiting += 1
        if self.waiting >= ROWS_A_COMMIT or time.monotonic() - self.committed > SECONDS_A_COMMIT:
            self.commit()

    def forget(self, path: bytes) -> None:
        """Delete a row."""
        self.connection.execute("DELETE FROM file WHERE path = ?", (path,))

    def source(self, folder: bytes) -> int:
        """The number of a folder of photos; a new one gets the next."""
        found = self.connection.execute("SELECT id FROM source WHERE folder = ?", (folder,)).fetchone()
        if found:
            return int(found[0])
        return int(self.connection.execute("INSERT INTO source (folder) VALUES (?)", (folder,)).lastrowid or 0)

    def begin(self, version: str, libraries: dict[str, str], recipe: str, recipe_hash: bytes, keys: list[str]) -> int:
        """Note the start of a run and return its number."""
        values = (time.time_ns(), version, json.dumps(libraries), recipe, recipe_hash, json.dumps(keys))
        names = "started_ns, version, libraries, recipe, recipe_hash, key_ids"
        run = self.connection.execute(f"INSERT INTO run ({names}) VALUES (?, ?, ?, ?, ?, ?)", values).lastrowid
        self.commit()
        return int(run or 0)

    def finish(self, run: int, exit_code: int) -> None:
        """Note the end of a run."""
        values = (time.time_ns(), exit_code, run)
        self.connection.execute("UPDATE run SET finished_ns = ?, exit_code = ? WHERE id = ?", values)
        self.commit()

    def commit(self) -> None:
        """Make everything so far survive a kill."""
        self.connection.commit()
        self.waiting, self.committed = 0, time.monotonic()

    def export(self, path: Path, redact: bool = False) -> None:
        """Write one JSON object a file, sorted by path, without absolute paths, whole or not at all."""
        with (
            files.output_errors(path),
            files.replacing(path, mode=0o600) as temporary,
            temporary.open("w", encoding="utf-8") as lines,
        ):
            for number, row in enumerate(self.rows(), 1):
                lines.write(json.dumps(record(row, number if redact else None), ensure_ascii=False) + "\n")


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[tuple[Manifest, list[str]]]:
    """The manifest in a state folder for writing, and what the user should know about it.

    Raises:
        OutputError: another process is at work on it, or the folder cannot be written.
    """
    with files.output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
    with locked(folder):
        connection, notes = _connect(folder / NAME)
        manifest = Manifest(connection)
        try:
            yield manifest, notes
        except sqlite3.OperationalError as error:
            raise OutputError(f"{folder}: the state cannot be written ({error})") from error
        finally:
            _close(manifest)


def _connect(path: Path) -> tuple[sqlite3.Connection, list[str]]:
    notes = []
    try:
        connection = _checked(path)
    except sqlite3.DatabaseError as error:
        damaged = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
        _set_aside(path, damaged)
        notes.append(f"{path}: damaged ({error}); kept as {damaged.name}. Photos are made again, to the same bytes")
        connection = _checked(path)
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        notes.append(f"{path.parent}: this file system cannot share memory; the state uses a slower journal")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection, notes


def _set_aside(path: Path, damaged: Path) -> None:
    path.rename(damaged)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _checked(path: Path) -> sqlite3.Connection:
    """An open, sound database of our schema."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
    connection = sqlite3.connect(path, timeout=10)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise OutputError(f"{path}: written by a newer version of unlearn (schema {version}); update this one")
        if not version:
            connection.executescript(f"BEGIN; {SCHEMA} COMMIT;")
        for step in range(version, VERSION) if version else ():
            connection.executescript(f"BEGIN; {STEPS[step]} COMMIT;")
        (sound,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if sound != "ok":
            raise sqlite3.DatabaseError(sound)
    except BaseException:
        connection.close()
        raise
    return connection


def _close(manifest: Manifest) -> None:
    """A full disk must not hide what stopped the run: rows that cannot be kept are made again next time."""
    with contextlib.suppress(sqlite3.OperationalError):
        manifest.commit()
        manifest.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    manifest.connection.close()


@contextlib.contextmanager
def read_only(folder: Path, settled: bool = False) -> Iterator[Manifest | None]:
    """The manifest without writing a byte, or None where there is none.

    Args:
        settled: read what a killed run left in its log too, which may need SQLite to write beside the database.
    """
    path = folder / NAME
    if not path.is_file():
        yield None
        return
    log = path.with_name(path.name + "-wal")
    kind = "mode=ro" if settled and log.exists() and log.stat().st_size else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{kind}", uri=True)
    try:
        yield Manifest(connection)
    finally:
        connection.close()
