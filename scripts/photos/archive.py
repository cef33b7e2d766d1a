"""Generate an archive of any size to try things on: nested folders of drawn photos, most of them JPEG.

    python scripts/photos/archive.py DIR --photos 10000 [--min-mp 0.3] [--max-mp 12] [--people 8] [--seed 0]
                                         [--formats jpeg,png,webp] [--layout dates|people] [--processes 2]

Every file differs. Files that exist already are kept, so that an interrupted run goes on. Of the JPEGs most carry an
EXIF thumbnail, as those of phones and cameras do, some are progressive and a few are gray.
"""

import argparse
import io
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
import metadata_blocks
import scenes

FORMATS = ("jpeg", "png", "webp")
SHARES = {"jpeg": 0.92, "png": 0.04, "webp": 0.04}
SUFFIXES = {"jpeg": "jpg", "png": "png", "webp": "webp"}
RATIOS = ((4, 3), (3, 4), (3, 2), (16, 9), (1, 1))
SAMPLINGS = (2, 2, 2, 1, 0)  # mostly 4:2:0
SIDES = (1024, 2048, 3072, 5120, 8192, 16384)  # scenes are drawn in these sizes; each photo is a cut of one
KEPT = 64
THUMBNAIL = (160, 120)
THUMBNAILS, PROGRESSIVE, GRAY = 0.8, 0.1, 0.03  # shares of the JPEGs


@dataclass(frozen=True)
class Plan:
    """What kind of archive; the fields are the command's options."""

    photos: int
    min_mp: float = 0.3
    max_mp: float = 12.0
    people: int = 8
    formats: tuple[str, ...] = FORMATS
    layout: str = "dates"
    seed: int = 0


def place(plan: Plan, number: int) -> Path:
    """The relative path of photo `number`."""
    draws = np.random.default_rng((plan.seed, number, 4))
    suffix = SUFFIXES[_format(plan, draws)]
    if plan.layout == "people":
        return Path(f"person-{number % plan.people:02d}") / f"IMG_{number:06d}.{suffix}"
    year, month = 2015 + number % 10, 1 + number // 10 % 12
    return Path(f"{year}") / f"{year}-{month:02d}" / f"IMG_{number:06d}.{suffix}"


def _format(plan: Plan, draws: np.random.Generator) -> str:
    weights = np.array([SHARES.get(name, 0.04) for name in plan.formats])
    return str(draws.choice(plan.formats, p=weights / weights.sum()))


def photo(plan: Plan, number: int) -> bytes:
    """The bytes of photo `number`: the same for the same plan and number."""
    draws = np.random.default_rng((plan.seed, number, 4))
    format = _format(plan, draws)
    megapixels = float(np.exp(draws.uniform(np.log(plan.min_mp), np.log(plan.max_mp))))
    across, down = RATIOS[draws.integers(len(RATIOS))]
    height = max(16, round((megapixels * 1e6 * down / across) ** 0.5))
    width = max(16, round(height * across / down))
    image = Image.fromarray(_cut(plan, number, width, height, draws))
    return _encoded(image, format, number, draws)


def _cut(plan: Plan, number: int, width: int, height: int, draws: np.random.Generator) -> scenes.Pixels:
    """A window of a drawn scene, brighter or darker, perhaps mirrored."""
    person = number % plan.people
    side = next(side for side in SIDES if side >= max(width, height))
    base = _base(side, plan.seed, person)
    top, left = draws.integers(0, side + 1 - height), draws.integers(0, side + 1 - width)
    window = base[top : top + height, left : left + width]
    window = window[:, ::-1] if draws.integers(2) else window
    table = (np.arange(256) * draws.uniform(0.8, 1.05) + draws.uniform(0, 12)).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(table[window])


@lru_cache(maxsize=KEPT)
def _base(side: int, seed: int, person: int) -> scenes.Pixels:
    return scenes.scene(side, side, seed * 1000 + person, person)


def _encoded(image: Image.Image, format: str, number: int, draws: np.random.Generator) -> bytes:
    exif = Image.Exif()
    exif[0x0110], exif[0x0132] = "Drawn", _taken(number)
    stream = io.BytesIO()
    if format == "jpeg":
        return _jpeg(image, number, draws)
    if format == "png":
        image.save(stream, "PNG", compress_level=3, exif=exif)
    else:
        image.save(stream, "WEBP", quality=int(draws.integers(70, 95)), method=2, exif=exif)
    return stream.getvalue()


def _taken(number: int) -> str:
    return f"2024:01:01 00:{number // 60 % 60:02d}:{number % 60:02d}"


def _jpeg(image: Image.Image, number: int, draws: np.random.Generator) -> bytes:
    quality, sampling = int(draws.integers(75, 96)), SAMPLINGS[draws.integers(len(SAMPLINGS))]
    progressive, gray, small = draws.uniform(size=3) < (PROGRESSIVE, GRAY, THUMBNAILS)
    image = image.convert("L") if gray else image
    exif = b"Exif\0\0" + metadata_blocks.exif(date=_taken(number), thumbnail=_thumbnail(image) if small else None)
    stream = io.BytesIO()
    kind = {} if gray else {"subsampling": sampling}
    image.save(stream, "JPEG", quality=quality, progressive=bool(progressive), exif=exif, **kind)
    return stream.getvalue()


def _thumbnail(image: Image.Image) -> bytes:
    small, stream = image.reduce(max(1, image.width // 320)), io.BytesIO()
    small.thumbnail(THUMBNAIL)
    small.save(stream, "JPEG", quality=80)
    return stream.getvalue()


def write(folder: Path, plan: Plan, numbers: range) -> int:
    """Write the photos of these numbers that are not there yet; returns how many there are."""
    for number in numbers:
        path = folder / place(plan, number)
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(photo(plan, number))
        temporary.replace(path)
    return len(numbers)


def main() -> None:
    """Read the command line and write."""
    parser = argparse.ArgumentParser(description="Generate an archive of drawn photos.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--min-mp", type=float, default=0.3)
    parser.add_argument("--max-mp", type=float, default=12.0)
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--layout", choices=("dates", "people"), default="dates")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = vars(parser.parse_args())
    folder, processes = given.pop("folder"), given.pop("processes")
    plan = Plan(**{**given, "formats": tuple(given["formats"].split(","))})
    # Photos of one person and size share a drawn scene, so that neighbors are worked on together.
    parts = [range(start, min(start + 100, plan.photos)) for start in range(0, plan.photos, 100)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        done = sum(pool.map(write, [folder] * len(parts), [plan] * len(parts), parts))
    print(f"{folder}: {done} photos")


if __name__ == "__main__":
    main()
