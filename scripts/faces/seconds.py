"""What noise on faces costs: seconds of one core a photo, for every recipe of faces/, and for a key laid on a photo.

    python scripts/faces/seconds.py --people DIR --out F.json [--recipes faces/mid,faces/opom-mid] [--cloaked 1]
        [--learned 5]

Processor time, so that other work on the machine does not count, on one thread. Cloaks are crafted for each photo; a
key is crafted once, on several photos of a person, and then laid on any number of others: that is measured on a photo
of 12 megapixels with one face, without reading and writing the file.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from unlearn import recipe, recipe_files
from unlearn.crafting.workers import alone
from unlearn.environment import versions
from unlearn.errors import DataError
from unlearn.faces import embedders
from unlearn.images import SUFFIXES
from unlearn.matching import trial
from unlearn.photos import face_measuring, face_noise, finding, keys, noise
from unlearn.photos.carrying import Carried
from unlearn.photos.picture import Picture

LARGE = (4000, 3000)
Pixels = NDArray[np.uint8]


def seconds(work: Callable[[], Any]) -> float:
    """Processor time of this process."""
    started = time.process_time()
    work()
    return time.process_time() - started


def photos(people: Path, count: int) -> list[Pixels]:
    """Photos of the first person who has so many with a face.

    Raises:
        DataError: nobody has.
    """
    for folder in sorted(path for path in people.iterdir() if path.is_dir()):
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)[:count]
        images = [np.array(Image.open(path).convert("RGB")) for path in paths]
        if len(images) == count and all(finding.Found()(image) for image in images):
            return images
    raise DataError(f"{people}: nobody with {count} photos of a face")


def crafted(name: str, images: Sequence[Pixels]) -> dict[str, Any]:
    """The row of a recipe, crafted on all the photos together."""
    settings = recipe.load(name)
    surrogates = tuple(embedders.load(each) for each in settings.embedders)
    canvases = np.stack([trial.canvas(image, finding.Found()(image)[0]) for image in images])
    spent = seconds(lambda: trial.craft(settings, canvases, "person", surrogates, 0, alone("cpu", 1)))
    kind = "key" if settings.rows == "class-wise" else "cloak"
    facts = {"recipe": name, "kind": kind, "photos": len(images), "surrogates": list(settings.embedders)}
    return {**facts, "seconds_a_photo": round(spent / len(images), 2)}


def laid(image: Pixels) -> dict[str, Any]:
    """Seconds to find the face of a large photo, to lay a key on it, and to look for it again."""
    large = np.array(Image.fromarray(image).resize(LARGE, Image.Resampling.BICUBIC))
    finder, worn = finding.Found(), Carried(None, {"": (face_noise.stand_in(),)})
    finder.check()
    faces = finder(large)
    picture = Picture(large.copy(), "png")
    pixels = keys.pixel_hash(picture)
    patches = face_noise.covered(picture, worn, pixels, finder, None).patches
    noise.add(Picture(large.copy(), "png"), None, pixels, patches)  # a process's first photo also loads libraries
    cover = seconds(lambda: face_noise.covered(picture, worn, pixels, finder, None))
    found = seconds(lambda: finder(large))
    return {
        "megapixels": LARGE[0] * LARGE[1] / 1e6,
        "faces": len(faces),
        "finding": round(found, 3),
        "noise": round(max(0.0, cover - found) + seconds(lambda: noise.add(picture, None, pixels, patches)), 3),
        "looking_again": round(seconds(lambda: face_measuring.seen_again(faces, finder, large)), 3),
    }


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All rows, as JSON."""
    torch.set_num_threads(1)
    images = photos(arguments.people, max(arguments.learned, arguments.cloaked))
    rows = []
    for name in arguments.recipes or [each for each in recipe_files.names() if _is_matching(each)]:
        count = arguments.learned if recipe.load(name).rows == "class-wise" else arguments.cloaked
        rows.append(crafted(name, images[:count]))
        print(f"{name}: {rows[-1]['seconds_a_photo']} s a photo", flush=True)
    side = min(images[0].shape[:2])
    return {"rows": rows, "key_on_a_photo": laid(images[0]), "versions": versions(), "threads": 1, "photo_side": side}


def _is_matching(name: str) -> bool:
    return name.startswith("faces/") and bool(recipe.load(name).embedders)


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--people", type=Path, required=True, help="a folder with one folder a person")
    parser.add_argument("--recipes", type=lambda text: text.split(","), help="default: all of faces/ against matching")
    parser.add_argument("--cloaked", type=int, default=1, help="photos for noise that belongs to a photo")
    parser.add_argument("--learned", type=int, default=5, help="photos that a key is crafted on")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    import command

    command.said(lambda: command.written(parsed(), run))
