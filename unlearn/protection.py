"""Protect a folder of photos: survey, keys (given, kept or crafted), protected copies, and a summary.

torch is imported only if a key has to be crafted, so that photos which come later are protected at codec speed.
"""

import os
import shutil
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from unlearn import against
from unlearn.against import Aims
from unlearn.errors import Interrupted
from unlearn.photos import archive as archives
from unlearn.photos import keyring, places, plan, summary, summary_text
from unlearn.photos import manifest as manifests
from unlearn.photos import survey as surveys
from unlearn.photos.display import Display, Quiet
from unlearn.photos.finding import Found
from unlearn.photos.keyring import Known
from unlearn.photos.keys import Key
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
FACES = "crafting-faces"
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
        WeightsError: what faces need is not installed, and they were asked for.
        UnlearnError: photos of subjects without a key, where keys were given.
    """
    stop = stop or StopRequest()
    job = _look(photos, out, options, display, stop)
    if team is not None and not team.main:
        _craft(job, display, stop, team)
        return Summary()
    archive = _archive(job)
    with archives.opened(archive, job.found, display) as manifest:
        _tell(plan.make(job.found, archive, manifest, *job.missing), archive, job, display)
        job = replace(job, known=job.known.joined(_craft(job, display, stop, team)))
        archive = replace(archive, keys=job.known.photo, face_keys=job.known.face_keys, threats=_threats(job, archive))
        _keep_cloak(archive, display)
        ended = archives.run(archive, job.found, manifest, display, stop)
        source = manifest.source(os.fsencode(photos.resolve()))
        on_faces = _on_faces(job, archive)
        gathered = summary.gather(manifest, ended, job.found, source, archive.threats, on_faces, archive.face_keys)
    display.log("summary", **gathered.facts())
    display.say("\n".join(summary_text.lines(gathered, str(out))))
    return gathered


@dataclass(frozen=True)
class _Work:
    """What there is to do: the survey, the keys that exist for it, and what is to be made besides."""

    photos: Path
    out: Path
    options: Options
    found: Survey
    known: Known
    aims: Aims

    @property
    def missing(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Subjects and persons whose keys have to be crafted."""
        return self.aims.missing(self.found, self.known)


def _tell(planned: Plan, archive: Archive, job: _Work, display: Display) -> None:
    display.log("plan", **planned.facts(), **({"note": job.aims.note} if job.aims.note else {}))
    notes = [job.aims.note] if job.aims.note else []
    if archive.finder and Path(job.options.face_model).is_file():
        notes.append(f"detector {archive.finder.about}...: use it as its licence allows; it is not part of this tool")
    display.say("\n".join([*plan.lines(planned, archive), *notes]))


def dry_run(photos: Path, out: Path, options: Options = Options(), display: Display = Quiet()) -> Plan:
    """What `protect` would do, with a time measured on three of the photos; nothing is written, not even a folder."""
    job = _look(photos, out, options, display, StopRequest())
    archive = _archive(job)
    with manifests.read_only(archive.state) as manifest:
        planned = plan.make(job.found, archive, manifest, *job.missing)
    planned = replace(plan.timed(planned, job.found, archive), key_seconds=_key_seconds(planned, job))
    _tell(planned, archive, job, display)
    display.say("dry run: nothing was written")
    return planned


def _key_seconds(planned: Plan, job: _Work) -> float | None:
    """An estimate for the subjects' keys that are missing, in which trials of the recipe's steps take seconds."""
    if not planned.crafting or job.options.untrusted:
        return None
    from unlearn import album_timing

    counts = {name: planned.subjects[name] for name in planned.crafting}
    return album_timing.estimate(counts, job.options.intensity, job.aims.photo)


def _look(photos: Path, out: Path, options: Options, display: Display, stop: StopRequest) -> _Work:
    """The survey, and the keys that exist for its subjects."""
    places.check(photos, out, options.state)
    rules = Rules(options.include, options.exclude, options.follow_links)
    only = keyring.subject_of(options.keys)
    aims = against.choose(options)
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
        known = keyring.given(options.keys, counts)
        against.check_given(options, known)
    else:
        known = keyring.kept(out / places.KEYS, options.intensity).only(aims.photo is not None, aims.face_key)
    return _Work(photos, out, options, found, known, aims)


def _heeding(advance: Advance, stop: StopRequest) -> Advance:
    """Counting files, until a stop is asked for."""

    def heed(files: int) -> None:
        if stop.requested:
            raise Interrupted("interrupted before anything was written")
        advance(files)

    return heed


def _archive(job: _Work) -> Archive:
    """The settings of the run, as far as they are known before keys are crafted.

    Raises:
        WeightsError, UnknownName: the detector of faces cannot be loaded. UnlearnError: the secret of cloaks cannot.
    """
    options, known = job.options, job.known
    finder = Found(options.face_model) if job.aims.face or known.face else None
    if finder:
        finder.check()
    same = {field.name: getattr(options, field.name) for field in fields(options) if field.name in _SAME}
    same |= {"state": places.state_folder(job.out, options.state), "finder": finder, "face_keys": known.face_keys}
    archive = Archive(job.photos, job.out, keys=known.photo, verify=options.verify_written, **same)
    if job.aims.cloaks and job.aims.face:
        from unlearn import cloaking_photos

        archive = replace(archive, cloak=cloaking_photos.known(job.out / places.KEYS, job.aims.face))
    return replace(archive, threats=_threats(job, archive, *_planned(job)))


def _planned(job: _Work) -> list[str]:
    return [*(["training"] if job.aims.photo else []), *([job.aims.face_key] if job.aims.face_key else [])]


def _threats(job: _Work, archive: Archive, *planned: str) -> tuple[str, ...]:
    """What all noise of the archive protects against: keys that there are or are planned, and cloaks."""
    cloaks = {against.threat(job.aims.face)} if archive.cloak and job.aims.face else set()
    return tuple(sorted(job.known.threats | cloaks | set(planned), reverse=True))


def _on_faces(job: _Work, archive: Archive) -> tuple[str, ...]:
    """What the noise on faces protects against."""
    return _threats(replace(job, known=replace(job.known, photo={})), archive)


def _keep_cloak(archive: Archive, display: Display) -> None:
    """Keep the secret of cloaks, and tell what they are made with, which proves that it can be loaded."""
    if archive.cloak is not None:
        from unlearn import cloaking_photos, face_album

        assert isinstance(archive.cloak, cloaking_photos.PhotoCloak)
        display.say("\n".join(face_album.notes(archive.cloak.settings)))
        cloaking_photos.keep(archive.out / places.KEYS, archive.cloak)


def _craft(job: _Work, display: Display, stop: StopRequest, team: "Workers | None") -> Known:
    """Keys for subjects that have none, saved before the first photo is written."""
    photo, face = job.missing
    if not (photo or face):
        return Known()
    from unlearn.crafting import workers

    team = team or workers.launch(stop, job.options.device)
    known = Known()
    for names, make, folder in ((photo, _photo_keys, CRAFTING), (face, _face_keys, FACES)):
        if names:
            work = places.state_folder(job.out, job.options.state) / folder
            made = make(job, names, work, display, team)
            if team.main:
                known = known.joined(keyring.keep(job.out / places.KEYS, made))
                shutil.rmtree(work, ignore_errors=True)  # its secrets live on in the keys only
    return known


def _photo_keys(job: _Work, names: tuple[str, ...], work: Path, display: Display, team: "Workers") -> dict[str, Key]:
    from unlearn import album

    photos = job.found.subjects()
    wanted = {name: photos[name] for name in names}
    return album.craft_keys(wanted, job.options.intensity, work, display, team, name=job.aims.photo)


def _face_keys(job: _Work, names: tuple[str, ...], work: Path, display: Display, team: "Workers") -> dict[str, Key]:
    from unlearn import face_album

    assert job.aims.face is not None
    people, finder = job.found.people(), Found(job.options.face_model)
    wanted = {name: people[name] for name in names}
    made = face_album.craft_keys(wanted, job.aims.face, job.options.intensity, work, finder, display, team)
    lines = [*made.notes]
    if made.faceless:
        shown = ", ".join(made.faceless[:6]) + (" ..." if len(made.faceless) > 6 else "")
        lines.append(f"no face found in the photos of {shown}: no key for faces there")
    if lines and team.main:
        display.say("\n".join(lines))
    return made.keys
