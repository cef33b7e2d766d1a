"""What a run would do, before it does anything: counts, space, and time measured on three of the user's photos."""

import os
import shutil
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import unlearn
from unlearn.photos import archive as archives
from unlearn.photos import decisions, face_noise, making, originals, wording
from unlearn.photos.carrying import Carried
from unlearn.photos.codecs import codec
from unlearn.photos.display import clock
from unlearn.photos.jobs import Setup
from unlearn.photos.keys import Key
from unlearn.photos.manifest import Manifest
from unlearn.photos.picture import Damaged, LeftOut
from unlearn.photos.settings import Archive
from unlearn.photos.subjects import EVERYONE
from unlearn.photos.survey import Item, Survey

MEASURED, TRIED = 3, 12
FEW = 5  # photos of a subject from which little can be learnt


@dataclass(frozen=True)
class Plan:
    """formats: photos by format. actions: files by what happens to them. left_out: by reason. rules: not walked.

    size: bytes of the photos to work on. space, free: bytes needed and there. seconds: estimate, None if unknown;
    key_seconds: of crafting the subjects' keys before, None if unknown.
    crafting: subjects whose keys have to be crafted. face_crafting: persons whose face keys have to be.
    threats: what is protected against. detector: of faces, "" where none is needed.
    """

    formats: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    subjects: dict[str, int] = field(default_factory=dict)
    crafting: tuple[str, ...] = ()
    face_crafting: tuple[str, ...] = ()
    threats: tuple[str, ...] = ()
    detector: str = ""
    unreadable: tuple[str, ...] = ()
    renamed: int = 0
    size: int = 0
    space: int = 0
    free: int = 0
    seconds: float | None = None
    key_seconds: float | None = None

    def facts(self) -> dict[str, Any]:
        """For the `plan` event."""
        names = ("formats", "actions", "left_out", "rules", "subjects")
        plain = {name: dict(sorted(getattr(self, name).items())) for name in names}
        numbers = {name: getattr(self, name) for name in ("renamed", "size", "space", "free", "seconds", "key_seconds")}
        lists = {name: list(getattr(self, name)) for name in ("crafting", "face_crafting", "threats", "unreadable")}
        return {**plain, **numbers, **lists, "detector": self.detector}


def make(
    survey: Survey,
    archive: Archive,
    manifest: Manifest | None,
    missing: tuple[str, ...] = (),
    faces: tuple[str, ...] = (),
) -> Plan:
    """Look at everything without writing; the time is not estimated yet.

    Args:
        manifest: of earlier runs, or None. missing: subjects without a key. faces: persons without a face key.
    """
    outs = archives.outputs(survey, archive)
    return Plan(
        **_counts(survey, archive, outs, manifest),
        rules=survey.skipped.rules,
        subjects={name: len(paths) for name, paths in survey.subjects().items()},
        crafting=missing,
        face_crafting=faces,
        threats=archive.threats,
        detector=archive.finder.about if archive.finder else "",
        unreadable=tuple(f"{os.fsdecode(path)!r}: {reason}" for path, reason in survey.skipped.unreadable),
        renamed=len(outs),
        space=archives.space_needed(survey, archive, manifest),
        free=shutil.disk_usage(_existing(archive.out)).free,
    )


def _counts(survey: Survey, archive: Archive, outs: dict[bytes, bytes], manifest: Manifest | None) -> dict[str, Any]:
    formats: Counter[str] = Counter()
    actions: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    size = 0
    for item in survey.items:
        action = _action(item, archive, outs, manifest)
        actions[action] += 1
        formats[item.format] += item.task == "protect"
        if action == "left out":
            left_out[wording.group(_reason(item, manifest), item.format)] += 1
        if action == "protect":
            size += item.size
    return {"formats": formats, "actions": actions, "left_out": left_out, "size": size}


def _reason(item: Item, manifest: Manifest | None) -> str:
    row = manifest.get(item.path) if manifest else None
    return row.reason if row and decisions.same_original(item, row) else item.reason


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def _action(item: Item, archive: Archive, outs: dict[bytes, bytes], manifest: Manifest | None) -> str:
    if item.task == "failed":
        return "cannot be read"
    row = manifest.get(item.path) if manifest else None
    if decisions.up_to_date(item, outs.get(item.path, item.path), row, archive, unlearn.__version__):
        return "nothing to do" if row and row.has_output else "left out"
    if item.task == "other":
        return "copy" if archive.others == "copy" else "left out"
    if item.task == "sidecar":
        return f"sidecar: {archive.sidecars}"
    return "protect"


def timed(plan: Plan, survey: Survey, archive: Archive) -> Plan:
    """The plan with an estimate of its time; untrusted photos are not opened for it."""
    return plan if archive.untrusted else replace(plan, seconds=estimate(survey, archive, plan.size))


def estimate(survey: Survey, archive: Archive, size: int) -> float | None:
    """Seconds for photos of `size` bytes, from up to three of them that are protected now, in memory.

    Small, middle and large ones are taken, because large ones are faster by the byte.
    """
    photos = sorted(survey.photos(), key=lambda item: item.size)
    if not photos or not size:
        return 0.0
    setup, stand_in = archive.setup(), _stand_in(archive)
    if setup.finder:
        setup.finder(np.zeros((64, 64, 3), np.uint8))  # a network is loaded once, not for every photo
    places = np.linspace(0.1, 0.9, TRIED)[[1, 6, 10, 0, 2, 3, 4, 5, 7, 8, 9, 11]]
    tried = dict.fromkeys(int(place * (len(photos) - 1) + 0.5) for place in places)
    spent, done = 0.0, list[int]()
    for index in tried:
        seconds = _seconds(photos[index], setup, stand_in)
        if seconds is not None:
            spent, done = spent + seconds, [*done, photos[index].size]
        if len(done) == MEASURED:
            break
    workers = archive.limits().workers
    return size / sum(done) * spent / workers if sum(done) else None


def _stand_in(archive: Archive) -> Carried:
    key = Key("", np.zeros((1, 1, 64, 64), np.int16), 8 / 255, "mid", bytes(32), "")
    return Carried(key, {"": (face_noise.stand_in(),)} if archive.finder and not archive.cloak else {})


def _seconds(item: Item, setup: Setup, carried: Carried) -> float | None:
    started = time.monotonic()
    try:
        data = originals.read(os.path.join(setup.photos, item.path), setup.follow_links).data
        making.make(data, codec(item.format), carried, setup)
    except (OSError, LeftOut, Damaged, making.Refused, MemoryError):
        return None
    return time.monotonic() - started


def lines(plan: Plan, archive: Archive) -> list[str]:
    """The plan in plain words."""
    found = ", ".join(f"{count:,} {name}" for name, count in plan.formats.most_common() if count)
    text = [f"{wording.photos(plan.formats.total())} found ({found or 'none'})"]
    text += wording.counted(plan.actions)
    if plan.left_out:
        text += ["left out:", *wording.counted(plan.left_out)]
    if +plan.rules:
        text += ["not looked at:", *wording.counted(plan.rules)]
    if plan.unreadable:
        text += ["folders and files that cannot be read:", *wording.some(plan.unreadable)]
    text += _people(plan)
    if plan.renamed:
        text.append(f"{plan.renamed:,} outputs get another name, because two would be one file or the format changes")
    text.append(f"space: about {wording.size(plan.space)} needed in {archive.out}, {wording.size(plan.free)} free")
    if plan.seconds is not None:
        workers = archive.limits().workers
        text.append(f"time: about {clock(plan.seconds)} with {workers} workers{_before(plan)}")
    return text


def _before(plan: Plan) -> str:
    """What is crafted before the first photo is written, and how long that takes if it is known."""
    keys, faces = len(plan.crafting), len(plan.face_crafting)
    if plan.key_seconds is None:
        return f", and the crafting of {_keys(keys + faces)} before" if keys + faces else ""
    more = f" and some time for {_keys(faces, 'face key')}" if faces else ""
    return f", and about {clock(plan.key_seconds)} before to craft {_keys(keys)}{more}"


def _keys(count: int, kind: str = "key") -> str:
    return f"{count} {kind}{'' if count == 1 else 's'}"


def _people(plan: Plan) -> list[str]:
    names = [f"{name} ({count:,})" for name, count in plan.subjects.items()]
    text = ["subjects: " + ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")]
    if plan.threats:
        text.append(wording.against(plan.threats, plan.detector))
    if plan.face_crafting:
        text.append(f"face keys to be crafted: {len(plan.face_crafting)}, for persons whose faces are found")
        text += [wording.KEYS_ARE_QUICK] if "matching" in plan.threats else []
    if EVERYONE in plan.face_crafting and "matching" in plan.threats and plan.subjects.get(EVERYONE, 0) > 1:
        text.append(wording.one_key_for_all(plan.subjects[EVERYONE]))
    if plan.crafting:
        others = len(names) - len(plan.crafting)
        text.append(f"keys to be crafted: {len(plan.crafting)}" + (f"; the other {others} exist" if others else ""))
    few = [name for name in plan.crafting if plan.subjects.get(name, 0) < FEW]
    if few:
        shown = ", ".join(few[:6]) + (" ..." if len(few) > 6 else "")
        text.append(f"fewer than {FEW} photos, so that little can be learnt from them: {shown}")
    return text
