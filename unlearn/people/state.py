"""What a scan has found so far: faces and their embeddings, in a folder that only its owner may read.

One SQLite file, so that a killed scan goes on where it was. Deleted rows are overwritten with zeros.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from unlearn import files
from unlearn.errors import OutputError
from unlearn.photos import locking
from unlearn.photos.persons import Box

SUFFIX: Final = ".state"
NAME: Final = "faces.db"
OWN: Final = (NAME, NAME + "-journal", locking.NAME)
APPLICATION: Final = 0x756E6C70  # "unlp" in SQLite's header: what has it is ours
VERSION: Final = 1
SECONDS_A_COMMIT: Final = 1.0
SCHEMA: Final = f"""
CREATE TABLE about (key TEXT PRIMARY KEY, value BLOB);
CREATE TABLE photo (path BLOB PRIMARY KEY, size INTEGER, mtime_ns INTEGER, reason TEXT) WITHOUT ROWID;
CREATE TABLE face (path BLOB, number INTEGER, x REAL, y REAL, w REAL, h REAL, score REAL, embedding BLOB,
    PRIMARY KEY (path, number)) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
"""


@dataclass(frozen=True, eq=False)
class Seen:
    """A face of a photo, upright. embedding: shape (D,), float32, unit norm."""

    box: Box
    score: float
    embedding: NDArray[np.float32]


class State:
    """An open state. What was put is committed every second, and when it is closed."""

    def __init__(self, connection: sqlite3.Connection):
        self.connection = connection
        self.committed = time.monotonic()

    def made_for(self, about: dict[str, bytes]) -> None:
        """Keep what is there if it was made for the same archive by the same networks; forget it otherwise."""
        if dict(self.connection.execute("SELECT key, value FROM about")) != about:
            for table in ("about", "photo", "face"):
                self.connection.execute(f"DELETE FROM {table}")
            self.connection.executemany("INSERT INTO about VALUES (?, ?)", about.items())
            self.connection.commit()

    def reason(self, path: bytes, size: int, mtime_ns: int) -> str | None:
        """Why a photo could not be looked at, "" if it could, None if it was not tried or has changed since."""
        asked = "SELECT reason FROM photo WHERE path = ? AND size = ? AND mtime_ns = ?"
        found = self.connection.execute(asked, (path, size, mtime_ns)).fetchone()
        return str(found[0]) if found else None

    def put(self, path: bytes, size: int, mtime_ns: int, found: tuple[Seen, ...], reason: str = "") -> None:
        """Write or replace what is known of a photo."""
        self.connection.execute("DELETE FROM face WHERE path = ?", (path,))
        rows = [
            (path, n, f.box.x, f.box.y, f.box.w, f.box.h, f.score, f.embedding.astype("<f4").tobytes())
            for n, f in enumerate(found)
        ]
        self.connection.executemany("INSERT INTO face VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self.connection.execute("INSERT OR REPLACE INTO photo VALUES (?, ?, ?, ?)", (path, size, mtime_ns, reason))
        if time.monotonic() - self.committed > SECONDS_A_COMMIT:
            self.commit()

    def commit(self) -> None:
        """Make everything so far survive a kill."""
        self.connection.commit()
        self.committed = time.monotonic()

    def faces(self, path: bytes) -> Iterator[Seen]:
        """The faces of a photo, in the detector's order."""
        asked = "SELECT x, y, w, h, score, embedding FROM face WHERE path = ? ORDER BY number"
        for x, y, w, h, score, embedding in self.connection.execute(asked, (path,)):
            yield Seen(Box(x, y, w, h), score, np.frombuffer(embedding, "<f4"))


def folder_of(out: Path) -> Path:
    """The state folder of a people file: people.state beside people.yaml."""
    return out.with_name(out.stem + SUFFIX)


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[State]:
    """Open or make the state, with a lock.

    Raises:
        OutputError: it cannot be written, is not ours, or another process works on it.
    """
    with files.output_errors(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or not folder.is_dir():
            raise OutputError(f"{folder}: is no folder; embeddings of faces are kept nowhere else")
        strangers = _strangers(folder)
        if strangers:
            raise OutputError(f"{folder}: holds other files ({strangers[0]!r}); name another --out")
        folder.chmod(0o700)
        with locking.locked(folder):
            connection = _connected(folder / NAME)
            try:
                yield State(connection)
            finally:
                with contextlib.suppress(sqlite3.Error):
                    connection.commit()
                connection.close()


def _strangers(folder: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder) if entry.name not in OWN)


def _connected(path: Path) -> sqlite3.Connection:
    new = not path.exists()
    if new:
        # SQLite gives its journals the mode of the file, so this one decides.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    elif not is_ours(path):
        raise OutputError(f"{path}: was not made by `unlearn people scan`; name another --out")
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA secure_delete = ON")
        if _number(connection, "application_id") != APPLICATION:
            connection.executescript(SCHEMA)
        elif _number(connection, "user_version") != VERSION:
            raise OutputError(f"{path}: was made by another version; `unlearn people forget {path.parent}` deletes it")
    except sqlite3.Error as error:
        connection.close()
        raise OutputError(f"{path}: {error}; `unlearn people forget {path.parent}` deletes it") from error
    return connection


def _number(connection: sqlite3.Connection, pragma: str) -> Any:
    return connection.execute(f"PRAGMA {pragma}").fetchone()[0]


def is_ours(path: Path) -> bool:
    """Whether a file is a state's, by its header, or an empty one that a kill left behind."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(100)
    return not head or (head[:16] == b"SQLite format 3\0" and head[68:72] == APPLICATION.to_bytes(4, "big"))


def has_state(folder: Path) -> bool:
    """Whether a folder is a state folder and nothing else."""
    if folder.is_symlink() or not folder.is_dir() or not is_ours(folder / NAME):
        return False
    return not _strangers(folder)
