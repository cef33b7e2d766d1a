"""One photo from its original to its protected copy. Runs in worker processes, without torch."""

import dataclasses
import errno
import hashlib
import json
import os
import time
from typing import Any

from unlearn.faces.weights import WeightsError
from unlearn.photos import carrying, checking, making, originals, placing, sidecars, sniffing
from unlearn.photos.codecs import codec
from unlearn.photos.jobs import Ask, Job, Need, Outcome, Setup
from unlearn.photos.keys import KeyFileError
from unlearn.photos.making import Faceless, Refused
from unlearn.photos.originals import Changed, Original
from unlearn.photos.picture import Damaged, LeftOut
from unlearn.photos.rows import Row, Status

OURS = "is a photo that was protected before"
FILTERED, AS_IT_IS = "filtered like metadata", "copied as it is"
NOTHING_LEFT = "nothing of this sidecar may be passed on"
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Ours(Exception):
    """A source that is an output of ours; `args` is its SHA-256."""


def protect_file(job: Job, setup: Setup, ask: Ask = lambda need: True) -> Outcome:
    """Do one job; whatever happens to it, the outcome says so and no other job is harmed.

    Args:
        ask: called before decoding with what it takes; False means that the file is an output of ours.
    """
    started = time.monotonic()
    stop = ""
    try:
        row = _ACTIONS[job.action](job, setup, ask)
    except (Changed, Refused) as error:
        row = _row(job, "failed", str(error))
    except Ours as error:
        row = _row(job, "left-out", OURS, sha256=error.args[0], **_identity(job, setup))
    except Faceless as error:
        row = _unprotected(job, setup, "left-out", str(error), setup.faceless == "copy", **error.facts)
    except LeftOut as error:
        row = _unprotected(job, setup, "left-out", str(error))
    except Damaged as error:
        row = _unprotected(job, setup, "damaged", str(error))
    except MemoryError:
        row = _row(job, "failed", "not enough memory for it")
    except OSError as error:
        stop = "no space left on the disk of OUT" if error.errno in _FULL else ""
        row = _row(job, "failed", reason_of(error))
    except (KeyFileError, WeightsError):
        raise
    except Exception as error:  # one bad photo never stops the run
        row = _row(job, "failed", f"unexpected {type(error).__name__}: {' '.join(str(error).split())[:160]}")
    return Outcome(row, time.monotonic() - started, stop)


def reason_of(error: OSError) -> str:
    """An operating system's error in words, without the path that stands beside it anyway."""
    if isinstance(error, FileNotFoundError):
        return "vanished before it could be read"
    if error.errno == errno.ELOOP:
        return "became a link"
    return (error.strerror or type(error).__name__).lower()


def _row(job: Job, status: Status, reason: str, **facts: Any) -> Row:
    return Row(job.path, status, reason, subject=job.subject, format=facts.pop("format", job.format), **facts)


def _unprotected(job: Job, setup: Setup, status: Status, reason: str, copy: bool | None = None, **known: Any) -> Row:
    """Leave a photo out, or copy it as it is where the user asked for that.

    Args:
        copy: what the user said about such photos, if not what he said about all. known: columns of the row.
    """
    facts = known | _identity(job, setup)
    if not (setup.unprotected == "copy" if copy is None else copy):
        return _row(job, status, reason, **facts)
    try:
        return dataclasses.replace(_copy(job, setup, reason), **known)
    except OSError as error:
        return _row(job, "failed", f"{reason}; not copied: {reason_of(error)}", **facts)


def _identity(job: Job, setup: Setup) -> dict[str, int]:
    try:
        facts = os.stat(os.path.join(setup.photos, job.path))
    except OSError:
        return {}
    return {"size": facts.st_size, "mtime_ns": facts.st_mtime_ns}


def _copy(job: Job, setup: Setup, reason: str) -> Row:
    source = os.path.join(setup.photos, job.path)
    # The suffix follows a changed format; a copy keeps its own.
    out = os.path.join(os.path.dirname(job.out), os.path.basename(job.path)) if job.action == "protect" else job.out
    placed, mtime_ns = placing.copy(setup.out, out, source, setup.follow_links, setup.fsync)
    facts = {"out_path": out, "size": placed.size, "mtime_ns": mtime_ns, "sha256": placed.sha256}
    return _row(job, "copied", reason, out_size=placed.size, out_sha256=placed.sha256, **facts)


def _copy_job(job: Job, setup: Setup, ask: Ask) -> Row:
    return _copy(job, setup, job.reason)


def _sidecar(job: Job, setup: Setup, ask: Ask) -> Row:
    if setup.sidecars == "copy":
        return _copy(job, setup, AS_IT_IS)
    original = originals.read(os.path.join(setup.photos, job.path), setup.follow_links)
    facts = {"size": original.size, "mtime_ns": original.mtime_ns, "sha256": hashlib.sha256(original.data).digest()}
    data = sidecars.filtered(original.data, os.path.basename(job.path), setup.writing)
    if data is None:
        return _row(job, "left-out", NOTHING_LEFT, **facts)
    placed = placing.put(setup.out, job.out, data, original.mode, original.mtime_ns, setup.fsync)
    return _row(job, "copied", FILTERED, out_path=job.out, out_size=placed.size, out_sha256=placed.sha256, **facts)


def _protect(job: Job, setup: Setup, ask: Ask) -> Row:
    original = originals.read(os.path.join(setup.photos, job.path), setup.follow_links)
    sha256 = hashlib.sha256(original.data).digest()
    if job.twin and job.twin.sha256 == sha256:
        row = _from_twin(job, setup, job.twin, original)
        if row:
            return row
    kind = sniffing.kind(original.data[:4096], os.path.basename(job.path))
    if not kind.photo:
        raise LeftOut(kind.reason)
    module = codec(kind.format)
    width, height = module.size(original.data)
    if not ask(Need(making.memory_for(width, height, setup), sha256)):
        raise Ours(sha256)
    made = making.make(original.data, module, carrying.loaded(job.subject, job.named, setup), setup)
    placed = placing.put(setup.out, job.out, made.data, original.mode, original.mtime_ns, setup.fsync)
    wrong = sniffing.wrong_suffix(kind, os.path.basename(job.path))
    return _row(
        job,
        "protected",
        "",
        format=kind.format,
        size=original.size,
        mtime_ns=original.mtime_ns,
        sha256=sha256,
        out_path=job.out,
        out_size=placed.size,
        out_sha256=placed.sha256,
        notes=json.dumps([*made.notes, *([wrong] if wrong else [])]),
        **made.facts,
    )


def _from_twin(job: Job, setup: Setup, twin: Row, original: Original) -> Row | None:
    """The output of an equal file, unless somebody has changed it."""
    try:
        data = originals.read(os.path.join(setup.out, twin.out_path or b"")).data
    except (OSError, LeftOut):
        return None
    if hashlib.sha256(data).digest() != twin.out_sha256:
        return None
    placing.put(setup.out, job.out, data, original.mode, original.mtime_ns, setup.fsync)
    return dataclasses.replace(
        twin, path=job.path, out_path=job.out, size=original.size, mtime_ns=original.mtime_ns, twin_of=twin.path
    )


_ACTIONS = {"protect": _protect, "sidecar": _sidecar, "copy": _copy_job, "verify": checking.check}
