"""Crafting keys from an album: one subject, one row of noise, learned on small views of the subject's photos.

The photos become a data set of small upright images, the subjects its classes, and any method of a recipe in
recipes/photos/ crafts the noise on any number of processes. What comes out is stretched over photos of any size.
"""

import hashlib
import io
import json
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from unlearn import files, precision, recipe
from unlearn.crafting.checkpoint import Checkpoints
from unlearn.crafting.domain import EveryPixel
from unlearn.crafting.problem import Embedder, Problem
from unlearn.crafting.workers import Workers, alone
from unlearn.datasets import ImageDataset
from unlearn.environment import versions
from unlearn.errors import DataError
from unlearn.images import to_array, to_rgb_or_gray
from unlearn.photos import codecs, keys, sniffing
from unlearn.photos.picture import Damaged, LeftOut, upright
from unlearn.photos.writing import Writing
from unlearn.progress import Progress, Silent
from unlearn.recipe import Recipe

INTENSITIES = ("low", "mid", "high")
PHOTOS_A_SUBJECT = 40
PHOTOS = 1200
CLASSES = 8  # fewer subjects are joined by decoys: a network must have something to tell them from
SECRET = "secret.json"


@dataclass(frozen=True)
class Album:
    """Small upright photos (N, 3, S, S) uint8, each with its class and its row of noise, or -1 for none.

    names: the subjects, then decoys; the row of a subject is its place among them.
    """

    data: ImageDataset
    row: NDArray[np.int32]
    subjects: tuple[str, ...]


def craft_keys(
    subjects: Mapping[str, Sequence[Path]],
    intensity: str,
    work: Path,
    progress: Progress | None = None,
    team: Workers | None = None,
    overrides: Sequence[str] = (),
    name: str | None = None,
) -> dict[str, keys.Key]:
    """A key for every subject, crafted on a sample of its photos.

    Args:
        subjects: names and the places of their photos.
        intensity: low, mid or high: the recipe photos/INTENSITY.
        work: folder for checkpoints and the secret seed; a killed run goes on from it. Only its owner may read it.
        name: another recipe for the same purpose.

    Raises:
        DataError: no photo of a subject can be read. RecipeError: for the recipe.
        Interrupted: after a stop request, with a checkpoint.
    """
    team, settings = team or alone(), recipe.load(name or f"photos/{intensity}", overrides)
    progress = progress if progress and team.main else Silent()
    secret = secret_of(work, subjects, team)
    album = collect(subjects, side(settings), secret, progress)
    delta = settings.method.craft(problem(settings, album, secret, work, team, progress)).delta.numpy()
    return {each: key(each, delta[i], settings, intensity, secret) for i, each in enumerate(album.subjects)}


def side(settings: Recipe) -> int:
    """Pixels a side of the small photos."""
    if settings.data.fit is None or settings.band is None:
        raise DataError(f"recipe {settings.name} is not for photos: it needs data.fit and band")
    return settings.data.fit.height


def secret_of(work: Path, subjects: Mapping[str, Sequence[Path]], team: Workers) -> bytes:
    """The secret of a crafting, drawn by the first process when it begins, and kept in `work` until it has ended.

    Raises:
        OutputError: `work` cannot be written.
    """
    team.together(lambda: _keep_secret(work, subjects))
    return bytes.fromhex(json.loads((work / SECRET).read_text())["secret"])


def _keep_secret(work: Path, subjects: Mapping[str, Sequence[Path]]) -> None:
    """Draw the secret of this crafting once; another set of photos gets another one and starts from the beginning."""
    listing = json.dumps({name: sorted(map(str, paths)) for name, paths in sorted(subjects.items())})
    album = hashlib.sha256(listing.encode(errors="surrogateescape")).hexdigest()
    place = work / SECRET
    with files.output_errors(work):
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
        if place.is_file() and json.loads(place.read_text()).get("album") == album:
            return
        shutil.rmtree(work)
        work.mkdir(mode=0o700, parents=True)
        files.write_text(place, json.dumps({"album": album, "secret": secrets.token_hex(32)}), mode=0o600)


def collect(
    subjects: Mapping[str, Sequence[Path]], side: int, secret: bytes = b"", progress: Progress | None = None
) -> Album:
    """Decode a sample of every subject's photos at `side` pixels, and add decoys where subjects are few.

    Raises:
        DataError: no photo of a subject can be read.
    """
    count = photos_each(len(subjects))
    chosen = {name: sorted(shuffled(paths, secret)[:count]) for name, paths in sorted(subjects.items())}
    small: dict[str, list[NDArray[np.uint8]]] = {}
    with (progress or Silent()).task("photos for the keys", sum(map(len, chosen.values()))) as advance:
        for name, paths in chosen.items():
            small[name] = [view for path in paths if (view := thumbnail(path, side, advance)) is not None]
            if not small[name]:
                raise DataError(f"{name}: none of {len(paths)} photos can be read, so no key can be crafted")
    return with_decoys(small)


def photos_each(subjects: int) -> int:
    """Photos of a subject from which its key is crafted, at most."""
    return max(8, min(PHOTOS_A_SUBJECT, PHOTOS // subjects))


def shuffled(paths: Iterable[Path], secret: bytes) -> list[Path]:
    """Photos in an order of their names and the secret, so that a resumed run chooses the same."""
    return sorted(paths, key=lambda path: hashlib.sha256(secret + bytes(path)).digest())


def thumbnail(path: Path, side: int, advance: Callable[[int], None] = lambda photos: None) -> NDArray[np.uint8] | None:
    """The upright photo stretched to (3, side, side), or None when it cannot be read."""
    try:
        data = path.read_bytes()
        image = _reduced(data, side) if data[:2] == b"\xff\xd8" else decoded(path)
        small = image.resize((side, side), Image.Resampling.BOX, reducing_gap=3.0).convert("RGB")
        return to_array(small)
    except (OSError, LeftOut, Damaged, ValueError, MemoryError):
        return None
    finally:
        advance(1)


def _reduced(data: bytes, side: int) -> Image.Image:
    """A JPEG decoded at a fraction of its size, which costs a fraction of the time."""
    with Image.open(io.BytesIO(data), formats=("JPEG", "MPO")) as image:
        image.draft("RGB", (2 * side, 2 * side))
        return to_rgb_or_gray(ImageOps.exif_transpose(image))


def decoded(path: Path) -> Image.Image:
    """The upright photo at full size and 8 bits, gray or RGB, as its codec reads it.

    Raises:
        LeftOut, Damaged, OSError: as the codecs do.
    """
    data = path.read_bytes()
    kind = sniffing.kind(data[:4096], bytes(path))
    picture = codecs.codec(kind.format).read(data, Writing())
    shown = upright(picture.pixels, picture.orientation)
    eight = shown if picture.levels == 255 else (shown // 257).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(eight[..., 0] if eight.shape[2] == 1 else eight))


def with_decoys(small: Mapping[str, list[NDArray[np.uint8]]]) -> Album:
    """Few subjects are joined by decoys: all photos once more under other noise, and once more under none.

    Telling a subject from a decoy, a network finds nothing but the noise, and so do others that learn from it.
    """
    subjects, everyone = tuple(small), [view for views in small.values() for view in views]
    images, labels, row = list(everyone), [], []
    for label, views in enumerate(small.values()):
        labels += [label] * len(views)
        row += [label] * len(views)
    count = max(0, CLASSES - len(subjects))
    share = max(2, len(everyone) // len(subjects))
    for label in range(len(subjects), len(subjects) + count):
        views = list(islice(cycle(everyone[(label * 7) % len(everyone) :] + everyone), min(share, len(everyone))))
        images += views
        labels += [label] * len(views)
        row += [-1 if label == len(subjects) else label - 1] * len(views)
    names = (*subjects, *(f"decoy {i + 1}" for i in range(count)))
    data = ImageDataset(np.stack(images), np.array(labels, dtype=np.int64), names)
    return Album(data, np.array(row, dtype=np.int32), subjects)


def problem(
    settings: Recipe,
    album: Album,
    secret: bytes,
    work: Path,
    team: Workers,
    progress: Progress,
    embedders: tuple[Embedder, ...] = (),
) -> Problem:
    """The album as methods are handed it; DataError for a recipe that makes two noises a subject."""
    if getattr(settings.method, "deal", None) == "signed":
        raise DataError(f"recipe {settings.name}: method.deal: signed makes two noises a subject, and a key holds one")
    return Problem(
        data=album.data,
        row=album.row,
        epsilon=settings.epsilon,
        surrogate=settings.surrogate,
        seed=int.from_bytes(hashlib.sha256(b"seed" + secret).digest()[:7], "little"),
        workers=team,
        progress=progress,
        precision=precision.chosen(team.device, settings.precision, progress),
        checkpoints=Checkpoints(work / "checkpoint"),
        domain=settings.band or EveryPixel(),
        embedders=embedders,
    )


def key(
    subject: str,
    delta: NDArray[np.int16],
    settings: Recipe,
    intensity: str,
    secret: bytes,
    threat: str = "training",
    frame: keys.Frame = "photo",
) -> keys.Key:
    """A subject's key from its row of noise (C, S, S), in 1/FINE of a level."""
    return keys.Key(
        subject=subject,
        delta=delta[None],
        epsilon=settings.epsilon,
        strength=intensity,
        secret=hashlib.sha256(b"key" + secret + subject.encode()).digest(),
        recipe_hash=settings.hash,
        threat=threat,
        made=date.today().isoformat(),
        versions=versions(),
        frame=frame,
    )
