"""Protect a folder of photos: survey, keys (given, kept or crafted), protected copies, and a summary.

torch is imported only if a key has to be crafted, so that photos which come later are protected at codec speed.
"""

import os
import shutil
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from unlearn.errors import Interrupted
from unlearn.photos import archive as archives
from unlearn.photos import keyring, places, plan, summary, summary_text
from unlearn.photos import keys as keyfiles
from unlearn.photos import manifest as manifests
from unlearn.photos import survey as surveys
from unlearn.photos.display import Display, Quiet
from unlearn.photos.keyring import Known
from unlearn.photos.options import Options
from unlearn.photos.plan import Plan
from unlearn.photos.settings import Archive
from unlearn.photos.summary import Summary
from unlearn.photos.survey import Survey
from unlearn.photos.walking import InputMissing, Rules
from unlearn.progress import Advance
from unlearn.signals import StopRequest

if TYPE_CHECKING:
    from unlearn.crafting.workers import Workers

CRAFTING = "crafting"
# Options that the run over the archive takes as they are.
_SAME = {field.name for field in fields(Archive)} - {"photos", "out", "keys", "verify"}


def protect(
    photos: Path,
    out: Path,
    options: Options = Options(),
    display: Display = Quiet(),
    stop: StopRequest | None = None,
    team: "Workers | None" = None,
) -> Summary:
    """Write protected copies of all photos below `photos` to `out`; the same call goes on after an interruption.

    Call it below `if __name__ == "__main__":` in a script, because worker processes are started.

    Args:
        team: the processes that craft keys together; by default this one alone.

    Raises:
        InputMissing: no folder, or no photo in it. OutputError: `out` may not or cannot be written.
        KeyFileError: a key file that cannot be used. Interrupted: a stop was asked for while keys were crafted.
        UnlearnError: photos of subjects without a key, where keys were given.
    """
    stop = stop or StopRequest()
    found, known = _look(photos, out, options, display, stop)
    missing = tuple(name for name in found.subjects() if name not in known)
    archive = _archive(photos, out, options, known)
    if team is not None and not team.main:
        if missing:
            _craft(found, missing, options, out, display, stop, team)
        return Summary()
    with archives.opened(archive, found, display) as manifest:
        _tell(plan.make(found, archive, manifest, missing), archive, display)
        if missing:
            known |= _craft(found, missing, options, out, display, stop, team)
            archive = _archive(photos, out, options, known)
        ended = archives.run(archive, found, manifest, display, stop)
        source = manifest.source(os.fsencode(photos.resolve()))
        gathered = summary.gather(manifest, ended, found, source)
    display.log("summary", **gathered.facts())
    display.say("\n".join(summary_text.lines(gathered, str(out))))
    return gathered


def _tell(planned: Plan, archive: Archive, display: Display) -> None:
    display.log("plan", **planned.facts())
    display.say("\n".join(plan.lines(planned, archive)))


def dry_run(photos: Path, out: Path, options: Options = Options(), display: Display = Quiet()) -> Plan:
    """What `protect` would do, with a time measured on three of the photos; nothing is written, not even a folder."""
    found, known = _look(photos, out, options, display, StopRequest())
    missing = tuple(name for name in found.subjects() if name not in known)
    archive = _archive(photos, out, options, known)
    with manifests.read_only(archive.state) as manifest:
        planned = plan.make(found, archive, manifest, missing)
    planned = plan.timed(planned, found, archive)
    _tell(planned, archive, display)
    display.say("dry run: nothing was written")
    return planned


def _look(photos: Path, out: Path, options: Options, display: Display, stop: StopRequest) -> tuple[Survey, Known]:
    """The survey, and the keys that exist for its subjects."""
    places.check(photos, out, options.state)
    rules = Rules(options.include, options.exclude, options.follow_links)
    only = keyfiles.load(options.keys[0]).subject if len(options.keys) == 1 else None
    with display.task("looking at files", 0) as advance:
        found = surveys.survey(photos, rules, None if only is not None else options.people, _heeding(advance, stop))
    if not any(found.photos()):
        raise InputMissing(
            f"{photos}: no photos in it ({len(found.items):,} other files, "
            f"{sum(found.skipped.rules.values()):,} entries left alone by rules)"
        )
    for item in found.photos() if only is not None else ():
        item.subject = only or ""
    counts = {name: len(paths) for name, paths in found.subjects().items()}
    if options.keys:
        return found, keyring.given(options.keys, counts)
    return found, keyring.kept(out / places.KEYS, options.intensity)


def _heeding(advance: Advance, stop: StopRequest) -> Advance:
    """Counting files, until a stop is asked for."""

    def heed(files: int) -> None:
        if stop.requested:
            raise Interrupted("interrupted before anything was written")
        advance(files)

    return heed


def _archive(photos: Path, out: Path, options: Options, known: Known) -> Archive:
    same = {field.name: getattr(options, field.name) for field in fields(options) if field.name in _SAME}
    state = places.state_folder(out, options.state)
    return Archive(photos, out, keys=known, verify=options.verify_written, **{**same, "state": state})


def _craft(
    found: Survey,
    missing: tuple[str, ...],
    options: Options,
    out: Path,
    display: Display,
    stop: StopRequest,
    team: "Workers | None",
) -> Known:
    """Keys for subjects that have none, saved before the first photo is written."""
    from unlearn import album
    from unlearn.crafting import workers

    team = team or workers.launch(stop, options.device)
    photos = found.subjects()
    work = places.state_folder(out, options.state) / CRAFTING
    wanted = {name: photos[name] for name in missing}
    made = album.craft_keys(wanted, options.intensity, work, display, team, name=options.recipe)
    if not team.main:
        return {}
    known = keyring.keep(out / places.KEYS, made)
    shutil.rmtree(work, ignore_errors=True)  # its secrets live on in the keys only
    return known
