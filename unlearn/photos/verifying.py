"""Re-open a protected archive and prove it: nothing missing, nothing extra, nothing changed, no clean copy inside."""

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path

from unlearn.errors import OutputError
from unlearn.photos import manifest as manifests
from unlearn.photos import places, pool
from unlearn.photos.display import Display, Quiet
from unlearn.photos.jobs import Job, Setup
from unlearn.photos.manifest import Manifest
from unlearn.photos.pool import Limits
from unlearn.photos.rows import Row, shown
from unlearn.photos.settings import cores
from unlearn.photos.walking import InputMissing
from unlearn.photos.writing import Writing
from unlearn.signals import StopRequest


@dataclass
class Proof:
    """findings: what is wrong, one line each. files: outputs looked at, by status. notes: what could not be checked."""

    findings: list[str] = field(default_factory=list)
    files: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False


def verify(
    out: Path,
    state: Path | None = None,
    originals: Path | None = None,
    share: bool = False,
    display: Display = Quiet(),
    stop: StopRequest | None = None,
    workers: int | None = None,
) -> Proof:
    """Look at every file of an archive.

    Args:
        originals: PHOTOS, to measure the noise and to compare thumbnails with the clean ones.
        share: the folder is to be given away, so that manifest and keys must not be in it.

    Raises:
        OutputError: no archive, or its manifest is damaged. InputMissing: no such originals.
    """
    folder = places.state_folder(out, state)
    if originals is not None and not originals.is_dir():
        raise InputMissing(f"{originals}: does not exist")
    proof = Proof()
    try:
        with manifests.read_only(folder, settled=True) as manifest:
            if manifest is None:
                missing = folder / manifests.NAME
                raise OutputError(f"{out}: no protected archive ({missing} is missing; --state names another place)")
            _check_files(out, originals, manifest, proof, display, stop or StopRequest(), workers or cores())
            _check_tree(out, manifest, proof)
    except sqlite3.DatabaseError as error:
        raise OutputError(f"{folder / manifests.NAME}: damaged ({error}); run `unlearn protect` again") from error
    if share:
        proof.findings += _private(out)
    return proof


class _Rows:
    """The feed of the workers: every row with an output."""

    def __init__(self, rows: Iterator[Row]):
        self.rows = rows

    def next(self) -> Job | None:
        """One file to be looked at."""
        row = next((row for row in self.rows if row.has_output), None)
        return Job(row.path, row.out_path or b"", "verify", format=row.format, twin=row) if row else None

    def done(self, row: Row) -> None:
        """Nothing waits for it."""


def _check_files(
    out: Path,
    originals: Path | None,
    manifest: Manifest,
    proof: Proof,
    display: Display,
    stop: StopRequest,
    workers: int,
) -> None:
    setup = Setup(
        photos=os.fsencode(originals.resolve()) if originals else b"",
        out=os.fsencode(out.resolve()),
        writing=_writing(manifest),
        follow_links=True,
    )
    count, size = manifest.ask("SELECT count(*), coalesce(sum(out_size), 0) FROM file WHERE out_sha256 IS NOT NULL")[0]
    with display.files(count, size) as tick:
        for outcome in pool.outcomes(_Rows(manifest.rows()), setup, Limits(workers), stop):
            row = outcome.row
            proof.files["failed" if row.status == "failed" else row.status] += 1
            if row.reason and row.status == "failed":
                proof.findings.append(f"{shown(row.out_path or row.path)}: {row.reason}")
            if row.notes not in ("", "[]"):
                proof.notes[row.notes] += 1
            tick(row, row.out_size or 0, True)
    proof.findings.sort()
    proof.interrupted = stop.requested


def _writing(manifest: Manifest) -> Writing:
    """How the last run wrote."""
    found = manifest.ask("SELECT recipe FROM run ORDER BY id DESC LIMIT 1")
    recipe = json.loads(found[0][0]) if found and found[0][0] else {}
    return Writing(**{field.name: recipe[field.name] for field in fields(Writing) if field.name in recipe})


def _check_tree(out: Path, manifest: Manifest, proof: Proof) -> None:
    """Everything in OUT belongs to a row."""
    base = os.fsencode(out)
    own = {os.path.join(base, os.fsencode(name)) for name in places.OWN}
    for folder, names, files in os.walk(base):
        names[:] = sorted(name for name in names if os.path.join(folder, name) not in own)
        links = [name for name in names if os.path.islink(os.path.join(folder, name))]
        for name in sorted([*files, *links]):
            path = os.path.relpath(os.path.join(folder, name), base)
            if os.path.islink(os.path.join(folder, name)):
                proof.findings.append(f"{shown(path)}: is a link")
            elif manifest.owner(path) is None:
                proof.findings.append(f"{shown(path)}: is not in the manifest")


def _private(out: Path) -> list[str]:
    """What must go before a folder is given away."""
    reasons = {
        manifests.FOLDER: "names and hashes of the originals; keep it elsewhere with --state",
        places.KEYS: "whoever has the keys can remove the noise; move them out",
    }
    return [f"{name}: {reason}" for name, reason in reasons.items() if (out / name).exists()]
