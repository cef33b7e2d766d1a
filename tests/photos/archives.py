"""Small archives of generated photos, and keys of random noise, so that nothing has to be trained."""

import dataclasses
import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unlearn.photos import archive as archives
from unlearn.photos import keys, manifest, protecting, survey
from unlearn.photos.archive import Archive, Ended
from unlearn.photos.display import Quiet
from unlearn.photos.jobs import Job, Outcome, Setup
from unlearn.photos.keys import Key
from unlearn.photos.pool import Feed, Limits
from unlearn.photos.rows import Row
from unlearn.photos.survey import Survey
from unlearn.photos.walking import Rules
from unlearn.quantities import FINE
from unlearn.signals import StopRequest


def photo(path: Path, seed: int = 0, size: tuple[int, int] = (96, 64), **options: Any) -> Path:
    """A photo with gradients and grain; every seed another."""
    generator = np.random.default_rng(seed)
    height, width = size[1], size[0]
    y, x = np.mgrid[0:height, 0:width]
    planes = [(x * (2 + seed % 5) + y) % 200, (x + y * (1 + seed % 7)) % 180, np.full_like(x, 90 + seed % 80)]
    pixels = np.stack(planes, axis=2) + generator.integers(0, 30, (height, width, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, **options)
    return path


def photos(root: Path, count: int = 6, size: tuple[int, int] = (96, 64)) -> Path:
    """Photos of two folders, JPEG and a few PNG."""
    for number in range(count):
        name = f"{'ab'[number % 2]}/{number:03}.{'png' if number % 5 == 4 else 'jpg'}"
        photo(root / name, number, size)
    return root


def key(subject: str = "everyone", seed: int = 0, channels: int = 1, size: int = 24, epsilon: float = 8 / 255) -> Key:
    """Random noise; never more than epsilon."""
    generator = np.random.default_rng(seed)
    limit = int(epsilon * 255 * FINE)
    delta = generator.integers(-limit, limit + 1, (2, channels, size, size)).astype(np.int16)
    return Key(subject, delta, epsilon, "mid", bytes([seed % 256]) * 32, "random", made="2026-01-01")


def saved_key(path: Path, subject: str = "everyone", seed: int = 0) -> Path:
    """A key file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    keys.save(path, key(subject, seed))
    return path


def archive(photos: Path, out: Path, key_file: Path, **settings: object) -> Archive:
    """Settings of a run with one key for everybody, on two workers."""
    loaded = keys.load(key_file)
    options = {"workers": 2, "fsync": False, **settings}
    return Archive(photos, out, out / ".unlearn", {"everyone": (str(key_file), loaded.id)}, **options)  # type: ignore[arg-type]


def run(settings: Archive, stop: StopRequest | None = None, rules: Rules = Rules()) -> tuple[Ended, Survey]:
    """Survey and protect."""
    found = survey.survey(settings.photos, rules, people=None)
    with archives.opened(settings, found, Quiet()) as manifest:
        return archives.run(settings, found, manifest, Quiet(), stop or StopRequest()), found


def rows(settings: Archive) -> dict[bytes, Row]:
    """The manifest's rows by path."""
    with manifest.read_only(settings.state) as found:
        assert found
        return {row.path: row for row in found.rows()}


def protect_one(setup: Setup, name: str, **changes: object) -> Row:
    """One file of `in` protected as a worker does it."""
    job = Job(name.encode(), name.encode(), subject="everyone", format="jpeg")
    return protecting.protect_file(dataclasses.replace(job, **changes), setup).row  # type: ignore[arg-type]


def protect_command(folder: Path, *more: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """`unlearn protect` on a folder that has `in` and a key."""
    from conftest import unlearn

    arguments = ("protect", folder / "in", folder / "out", "--key", folder / "key.safetensors", "--no-fsync")
    return unlearn(*arguments, *more, cwd=None, **environment)


def in_this_process(
    feed: Feed, setup: Setup, limits: Limits, stop: StopRequest, is_ours: Callable[[bytes], bool] = lambda sha256: False
) -> Iterator[Outcome]:
    """What `pool.outcomes` does, without starting processes, where they are not what is tested."""
    while not stop.requested and (job := feed.next()):
        outcome = protecting.protect_file(job, setup, lambda need: not is_ours(need.sha256))
        feed.done(outcome.row)
        yield outcome
        stop.requested = stop.requested or bool(outcome.stop)


def tree(root: Path, without: tuple[str, ...] = (".unlearn", "keys")) -> dict[str, tuple[str, int]]:
    """Hash and mtime of every file, by relative path."""
    found = {}
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if name not in without]
        for name in files:
            path = Path(folder, name)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(root))] = (digest, path.stat().st_mtime_ns)
    return found
