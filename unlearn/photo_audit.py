"""Does a protected archive hold? Subjects' photos train a classifier, clean held-out photos test it.

The protected files are read as they lie in OUT, so that what was lost in encoding is lost here too; then as a social
network would serve them: JPEG quality 75, and half the size at quality 75.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unlearn import album, examination, recipe_check
from unlearn.audit import report
from unlearn.audit import run as auditing
from unlearn.audit.channels import CHANNELS
from unlearn.audit.plan import AuditPlan
from unlearn.audit.run import Post, Subject
from unlearn.crafting.workers import Workers, launch
from unlearn.datasets import ImageDataset
from unlearn.errors import DataError
from unlearn.images import to_array
from unlearn.photo_pairs import Pair, Split, against, pairs, split
from unlearn.photos import keys, noise
from unlearn.photos.keys import Key
from unlearn.photos.picture import Damaged, LeftOut, Picture
from unlearn.progress import Progress, Silent
from unlearn.quantities import FINE, LEVELS

SIDE = 64
RANDOM_CELLS = 32
Pixels = NDArray[np.uint8]


def audit(
    out: Path,
    originals: Path,
    folder: Path,
    plan: str | AuditPlan | None = None,
    progress: Progress | None = None,
    team: Workers | None = None,
    state: Path | None = None,
    side: int = SIDE,
    report_images: bool = False,
    test: Path | None = None,
) -> dict[str, Any]:
    """Audit an archive that `unlearn protect` has written, and leave the reports in `folder`.

    Args:
        out: the protected archive. originals: the photos it was made from.
        plan: an audit recipe, by default audits/photos.
        side: pixels of the square views on which networks are trained and tested.
        test: other clean photos of the same subjects, a folder each; all of the archive is then trained on.
        report_images: put photos into the HTML report; by default it holds none.

    Raises:
        DataError: no archive, fewer than two subjects with enough photos, or photos that cannot be read.
    """
    team = team or launch()
    progress = progress if progress and team.main else Silent()
    chosen = plan if isinstance(plan, AuditPlan) else recipe_check.load_audit(plan or "audits/photos")
    found = pairs(out, originals, state)
    parts = against(found, test) if test else split(found)
    team.together(lambda: examination.claim(folder))
    channels = subjects_by_channel(parts, side, progress)
    post = examination.post(chosen, "auto", progress, team)
    for channel, subject in channels.items():
        as_shared = replace(chosen, detection=chosen.detection and channel == "none")
        auditing.audit(subject, as_shared, folder, post)
    team.barrier()
    results: dict[str, Any] = {}
    team.together(lambda: results.update(_finish(channels, parts, chosen, folder, post, report_images)))
    return results


def subjects_by_channel(parts: Split, side: int, progress: Progress) -> dict[str, Subject]:
    """What is trained on after each channel; the test photos are clean and the same for all."""
    controls = {name: _random_key(name, parts.train[0].epsilon) for name in parts.subjects}
    with progress.task("photos for the audit", len(parts.train) + len(parts.test)) as advance:
        test = np.stack([view(opened(pair.original), side, advance) for pair in parts.test])
        views = [_views(pair, controls[pair.subject], side, advance) for pair in parts.train]
    labels, held = (_labels(chosen, parts.subjects) for chosen in (parts.train, parts.test))
    found = {}
    for channel in CHANNELS:
        clean, random, protected = (np.stack([each[channel][i] for each in views]) for i in range(3))
        found[channel] = Subject(
            clean=ImageDataset(clean, labels, parts.subjects),
            protected={"protected": protected},
            test=ImageDataset(test, held, parts.subjects, "test"),
            epsilon=parts.train[0].epsilon,
            facts={"name": "a photo archive", "dataset": "photos by subject"},
            random=random,
        )
    return found


def _labels(chosen: Sequence[Pair], subjects: Sequence[str]) -> NDArray[np.int64]:
    return np.array([subjects.index(pair.subject) for pair in chosen], dtype=np.int64)


def _random_key(subject: str, epsilon: float) -> Key:
    """The control: one random pattern a subject, of the same budget and kind, that no surrogate has seen."""
    seed = int.from_bytes(hashlib.sha256(b"random control" + subject.encode()).digest()[:8], "little")
    limit = int(epsilon * LEVELS * FINE)
    delta = np.random.default_rng(seed).integers(-limit, limit + 1, (1, 3, RANDOM_CELLS, RANDOM_CELLS))
    return Key(subject, delta.astype(np.int16), epsilon, "random", bytes(32), "")


def _views(pair: Pair, control: Key, side: int, advance: Callable[[int], None]) -> dict[str, tuple[Pixels, ...]]:
    """Small views of the clean, random-noise and protected photo after every channel."""
    clean, protected = opened(pair.original), opened(pair.protected)
    picture = Picture(np.array(clean), "png")
    noise.add(picture, control, keys.pixel_hash(picture))
    images = (clean, Image.fromarray(picture.pixels), protected)
    found = {name: tuple(view(channel(image), side) for image in images) for name, channel in CHANNELS.items()}
    advance(1)
    return found


def opened(path: Path) -> Image.Image:
    """The upright photo in RGB, at its full size.

    Raises:
        DataError: naming the photo.
    """
    try:
        return album.decoded(path).convert("RGB")
    except (OSError, LeftOut, Damaged) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


def view(image: Image.Image, side: int, advance: Callable[[int], None] = lambda photos: None) -> Pixels:
    """A photo as networks see it: uint8 (3, side, side), squeezed into a square."""
    advance(1)
    return to_array(image.convert("RGB").resize((side, side), Image.Resampling.BOX, reducing_gap=3.0))


def _finish(
    channels: Mapping[str, Subject], parts: Split, plan: AuditPlan, folder: Path, post: Post, report_images: bool
) -> dict[str, Any]:
    rows = []
    for channel, subject in channels.items():
        for row in auditing.rows(subject, plan, folder, post):
            defense = " + ".join(name for name in (channel, row["defense"]) if name != "none") or "none"
            rows.append({**row, "defense": defense})
    first = channels["none"]
    results = auditing.collect(first, plan, rows, post)
    results |= {
        "method": "unlearn protect",
        "photos": {"train": len(parts.train), "test": len(parts.test), "subjects": len(parts.subjects)},
        "subjects_left_out": list(parts.left_out),
    }
    if plan.detection:
        results["detection"] = auditing.detections(first, plan, folder, post)
    pictures = auditing.examples(first) if report_images else []
    report.write(folder, results, pictures)
    return results
