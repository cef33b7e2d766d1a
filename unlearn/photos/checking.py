"""One written file held against its row and, if they are at hand, against its original. Runs in worker processes."""

import dataclasses
import hashlib
import os
from collections.abc import Iterator
from types import ModuleType

from unlearn.photos import leaks, making, measuring, originals
from unlearn.photos.codecs import codec
from unlearn.photos.jobs import Ask, Job, Need, Setup
from unlearn.photos.picture import Damaged, LeftOut, Picture
from unlearn.photos.rows import Row
from unlearn.quantities import whole_levels

TOLERANCE = 0.05  # dB by which a measured PSNR may differ from the recorded one: other versions of a decoder
GONE, CHANGED = "original is gone", "original has changed since"


def check(job: Job, setup: Setup, ask: Ask) -> Row:
    """A row whose reason lists what is wrong, empty if nothing is; `notes` says why an original was no help."""
    row = job.twin
    assert row is not None
    full = os.path.join(setup.out, row.out_path or b"")
    try:
        data = originals.read(full).data
    except FileNotFoundError:
        return _found(row, ["is missing"])
    except (OSError, LeftOut) as error:
        return _found(row, [f"cannot be read: {error.strerror if isinstance(error, OSError) else error}"])
    if len(data) != row.out_size or hashlib.sha256(data).digest() != row.out_sha256:
        return _found(row, ["is not what was written (size or SHA-256)"])
    if row.status != "protected":
        return _found(row, [])
    format = making.written_format(row.format, setup)
    try:
        module = codec(format)
        width, height = module.size(data)
        ask(Need(making.memory_for(width, height, setup), b""))
        written = module.read(data, setup.writing)
    except (LeftOut, Damaged) as error:
        return _found(row, [f"does not open: {error}"])
    return _compare(row, data, format, module, written, setup)


def _found(row: Row, problems: list[str], note: str = "") -> Row:
    return dataclasses.replace(row, status="failed" if problems else row.status, reason="; ".join(problems), notes=note)


def _compare(row: Row, data: bytes, format: str, module: ModuleType, written: Picture, setup: Setup) -> Row:
    source, note = _source(row, setup)
    problems = [f"leak: {finding}" for finding in leaks.clean(data, format, written)]
    if source is None:
        return _found(row, problems, note)
    if source.pixels.shape != written.pixels.shape or source.pixels.dtype != written.pixels.dtype:
        return _found(row, [*problems, "has another size or depth than its original"])
    figures = measuring.measure(source.pixels, written.pixels, written.pixels, exact=module.LOSSLESS)
    return _found(row, [*problems, *_figures(row, figures, module)])


def _source(row: Row, setup: Setup) -> tuple[Picture | None, str]:
    """The original decoded, or why it is no help."""
    if not setup.photos:
        return None, ""
    try:
        data = originals.read(os.path.join(setup.photos, row.path), setup.follow_links).data
    except (OSError, LeftOut):
        return None, GONE
    if hashlib.sha256(data).digest() != row.sha256:
        return None, CHANGED
    try:
        picture: Picture = codec(row.format).read(data, setup.writing)
    except (LeftOut, Damaged):
        return None, CHANGED
    return picture, ""


def _figures(row: Row, figures: measuring.Figures, module: ModuleType) -> Iterator[str]:
    if figures.linf == 0:
        yield "equals its original: it carries no noise"
    limit = whole_levels(row.epsilon) if row.epsilon else None
    if module.LOSSLESS and limit is not None and figures.linf > limit:
        yield f"its noise reaches {figures.linf:g} levels, its budget is {limit}"
    if row.psnr is not None and figures.psnr < row.psnr - TOLERANCE:
        yield f"differs more from its original than was recorded ({figures.psnr:.1f} instead of {row.psnr:.1f} dB)"
