"""Can a person still be found? Clean photos are matched against a gallery that holds the person's protected ones.

The threat is a matcher that is trained already; `photo_audit` asks the other question, about training on the photos.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from unlearn import files, photo_pairs, recipe_check
from unlearn.audit import face_report
from unlearn.audit.face_plan import FacePlan
from unlearn.audit.face_rows import CLEAN, PROTECTED, RANDOM
from unlearn.errors import DataError
from unlearn.faces import embedders
from unlearn.matching import rows as rows_of
from unlearn.matching.scene import Person, Scene, look_with, missing, of_folder
from unlearn.matching.views import Photo, Views, of_file, with_random_noise
from unlearn.photo_pairs import FEWEST, Pair
from unlearn.progress import Progress, Silent


def audit(
    out: Path,
    originals: Path,
    folder: Path,
    plan: str | FacePlan | None = None,
    distractors: Path | None = None,
    recognisers: Sequence[str] = (),
    surrogates: Sequence[str] = (),
    progress: Progress | None = None,
    device: torch.device | None = None,
    state: Path | None = None,
) -> dict[str, Any]:
    """Audit an archive that `unlearn protect` has written against matching, and leave the reports in `folder`.

    Args:
        out: the protected archive. originals: the photos it was made from.
        plan: an audit recipe, by default audits/faces. recognisers: instead of the plan's, by name or model file.
        distractors: a folder of photos of other people, one face each.
        surrogates: recognisers that the archive's noise was crafted on; none named means that it is not known.

    Raises:
        DataError: no archive, no person with enough photos, nobody to be told from, or unreadable photos.
    """
    chosen = plan if isinstance(plan, FacePlan) else recipe_check.load_matching(plan or "audits/faces")
    chosen = replace(chosen, recognisers=tuple(recognisers) or chosen.recognisers)
    pairs, strangers = photo_pairs.pairs(out, originals, state), of_folder(distractors)
    views = look_with(chosen, device)
    people = of_archive(pairs, chosen, views)
    if not people or (len(people) < 2 and not strangers):
        raise DataError(
            f"an audit against matching needs a person with at least {FEWEST} photos and others to be told from, this "
            f"archive has {len(people)}; --distractors names a folder of other people's photos"
        )
    files.claim(folder, space=10_000_000)
    crafted = tuple(embedders.load(name) for name in surrogates) if surrogates else None
    rows = rows_of.archive_rows(Scene(people, strangers, views, crafted), chosen, progress or Silent())
    results = rows_of.collect(rows, chosen, views) | _facts(pairs, people, strangers, surrogates, views)
    face_report.write(folder, results)
    return results


def of_archive(pairs: Sequence[Pair], plan: FacePlan, views: Views) -> tuple[Person, ...]:
    """Subjects with enough photos: a part of each one's originals are probes, chosen by name, the rest the gallery."""
    by_subject: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_subject.setdefault(pair.subject, []).append(pair)
    return tuple(_person(name, mine, plan, views) for name, mine in sorted(by_subject.items()) if len(mine) >= FEWEST)


def _person(name: str, mine: Sequence[Pair], plan: FacePlan, views: Views) -> Person:
    salt = hashlib.sha256(name.encode()).digest()
    ordered = sorted(mine, key=lambda pair: hashlib.sha256(salt + os.fsencode(pair.original.name)).digest())
    ordered = ordered[: plan.photos_a_person]
    held = min(max(1, round(plan.held_out * len(ordered))), len(ordered) - 1)
    gallery = ordered[held:]
    clean = tuple(of_file(pair.original) for pair in gallery)
    noisy = (with_random_noise(photo, views, pair.epsilon, 0) for photo, pair in zip(clean, gallery, strict=True))
    sets = {CLEAN: clean, RANDOM: tuple(noisy), PROTECTED: tuple(of_file(pair.protected) for pair in gallery)}
    return Person(name, tuple(of_file(pair.original) for pair in ordered[:held]), sets)


def _facts(
    pairs: Sequence[Pair], people: Sequence[Person], strangers: Sequence[Photo], surrogates: Sequence[str], views: Views
) -> dict[str, Any]:
    names = {person.name for person in people}
    return {
        "name": "a photo archive",
        "epsilon": max((pair.epsilon for pair in pairs), default=0.0),
        "surrogates": list(surrogates) or None,
        "photos": {"people": len(people), "distractors": len(strangers)},
        "subjects_left_out": sorted({pair.subject for pair in pairs} - names),
        "not_found": missing(people, strangers, views),
    }
