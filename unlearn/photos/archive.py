"""The run over an archive: every file of a survey becomes a row, and a file in OUT where it may."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import unlearn
from unlearn.errors import OutputError
from unlearn.photos import manifest as manifests
from unlearn.photos import naming, places, placing, pool
from unlearn.photos.display import Display
from unlearn.photos.feeding import Feeder
from unlearn.photos.ledger import Ledger, Tally, remove
from unlearn.photos.libraries import versions
from unlearn.photos.manifest import Manifest
from unlearn.photos.protecting import OURS
from unlearn.photos.rows import Row, shown
from unlearn.photos.settings import Archive
from unlearn.photos.survey import Item, Survey
from unlearn.signals import StopRequest

GROWTH = 1.15  # protected photos are larger than their originals by less than this


@dataclass(frozen=True)
class Ended:
    """How a run ended. stopped: why it ended early, or empty. exit_code: 0, 1 or 130."""

    tally: Tally
    stopped: str
    exit_code: int
    seconds: float


def outputs(survey: Survey, archive: Archive) -> dict[bytes, bytes]:
    """Output paths that differ from the sources'."""
    wished = ((item.path, _wished(item, archive)) for item in survey.items if _has_output(item, archive))
    return naming.outputs(wished, naming.ignores_case(archive.out))


def _wished(item: Item, archive: Archive) -> bytes:
    as_jpeg = archive.writing.heic == "jpeg" and item.format == "heif" and item.task == "protect"
    return naming.jpeg_name(item.path) if as_jpeg else item.path


def _has_output(item: Item, archive: Archive) -> bool:
    return item.task in ("protect", "sidecar") or (item.task == "other" and archive.others == "copy")


def space_needed(survey: Survey, archive: Archive, manifest: Manifest | None) -> int:
    """Bytes that the run will add to OUT, about."""
    whole = sum(item.size for item in survey.items if _has_output(item, archive))
    there = manifest.ask("SELECT coalesce(sum(out_size), 0) FROM file")[0][0] if manifest else 0
    largest = max((item.size for item in survey.items), default=0)
    return int(max(0, whole * GROWTH - there) + 2 * largest)


@contextlib.contextmanager
def opened(archive: Archive, survey: Survey, display: Display) -> Iterator[Manifest]:
    """OUT and its manifest, ready to be written, with leftovers of dead runs removed.

    Raises:
        OutputError: not writable, too little space, or another process is at work.
    """
    places.check(archive.photos, archive.out, archive.state)
    with manifests.read_only(archive.state) as before:
        space = space_needed(survey, archive, before)
    places.claim(archive.out, space)
    with manifests.opened(archive.state) as (manifest, notes):
        for note in notes:
            display.say(note)
        for leftover in placing.stale(os.fsencode(archive.out)):
            with contextlib.suppress(OSError):
                os.unlink(leftover)
        yield manifest


def run(archive: Archive, survey: Survey, manifest: Manifest, display: Display, stop: StopRequest) -> Ended:
    """Protect what has to be protected, and put everything else into its row.

    Raises:
        WorkersError: worker processes cannot be started, or a key cannot be used.
    """
    started = time.monotonic()
    number = manifest.begin(unlearn.__version__, versions(), archive.recipe, archive.recipe_hash, _key_ids(archive))
    outs = outputs(survey, archive)
    planned = cache(
        lambda: {outs.get(item.path, item.path): item.path for item in survey.items if _has_output(item, archive)}
    )
    with display.files(len(survey.items), sum(item.size for item in survey.items)) as tick:
        ledger = Ledger(archive, manifest, unlearn.__version__, tick, planned)
        stopped = _work(Feeder(survey.items, outs, archive, ledger), archive, ledger, stop)
    interrupted = stop.requested and not stopped
    if not stop.requested:
        _settle(archive, survey, ledger)
    troubled = ledger.tally.troubled or survey.skipped.unreadable or stopped
    exit_code = 130 if interrupted else 1 if troubled else 0
    # A full disk: the next run writes the record.
    with contextlib.suppress(OutputError, OSError, sqlite3.OperationalError):
        manifest.finish(number, exit_code)
        manifest.export(archive.state / manifests.EXPORT)
    return Ended(ledger.tally, stopped, exit_code, time.monotonic() - started)


def _key_ids(archive: Archive) -> list[str]:
    held = [*archive.keys.values(), *(each for several in archive.face_keys.values() for each in several)]
    return sorted({key_id for _, key_id in held} | ({archive.cloak.id} if archive.cloak else set()))


def _work(feeder: Feeder, archive: Archive, ledger: Ledger, stop: StopRequest) -> str:
    """All jobs; returns why nothing more can be written, or an empty string."""
    stopped = ""
    setup, limits = archive.setup(), archive.limits()
    for outcome in pool.outcomes(feeder, setup, limits, stop, lambda sha256: _is_ours(ledger, sha256)):
        stopped = stopped or outcome.stop
    return stopped


def _is_ours(ledger: Ledger, sha256: bytes) -> bool:
    return ledger.manifest.written(sha256) is not None


def _settle(archive: Archive, survey: Survey, ledger: Ledger) -> None:
    """After the last file: outputs of ours that were among the originals, and originals that are gone."""
    _leave_own_out(archive, ledger)
    here = iter(survey.items)
    item = next(here, None)
    gone: list[Row] = []
    for row in ledger.manifest.rows():
        while item and item.path < row.path:
            item = next(here, None)
        if (item is None or item.path != row.path) and row.source == ledger.source and _is_gone(archive, row):
            gone.append(row)
    for row in gone:
        _let_go(archive, ledger, row)
    ledger.manifest.commit()


def _is_gone(archive: Archive, row: Row) -> bool:
    """Not merely excluded this time."""
    return not os.path.lexists(os.path.join(os.fsencode(archive.photos), row.path))


def _let_go(archive: Archive, ledger: Ledger, row: Row) -> None:
    if row.has_output and not archive.prune:
        ledger.tally.vanished.append(shown(row.path))
        return
    if row.has_output and row.out_path:
        remove(os.fsencode(archive.out), row.out_path)
        ledger.tally.pruned += 1
    ledger.manifest.forget(row.path)


def _leave_own_out(archive: Archive, ledger: Ledger) -> None:
    """A copy and its protected copy may lie side by side in PHOTOS, and the order of workers decides nothing."""
    question = (
        "SELECT f.path FROM file f JOIN file g ON f.sha256 = g.out_sha256 AND g.status = 'protected' "
        "WHERE f.status = 'protected' AND f.path != g.path"
    )
    for (path,) in ledger.manifest.ask(question):
        row = ledger.manifest.get(bytes(path))
        if row and row.out_path:
            remove(os.fsencode(archive.out), row.out_path)
            kept = Row(
                row.path, "left-out", OURS, size=row.size, mtime_ns=row.mtime_ns, sha256=row.sha256,
                recipe_hash=row.recipe_hash, version=row.version, format=row.format, source=row.source,
            )  # fmt: skip
            ledger.manifest.put(kept)
            ledger.tally.worked["protected"] -= 1
            ledger.tally.worked["left-out"] += 1


def state_of(out: Path, state: Path | None = None) -> Path:
    """Where the manifest of an archive lies."""
    return places.state_folder(out, state)
