"""Class-wise EM on faces: does a network that trains from scratch learn the people who protected their photos?

    python scripts/faces/em.py --people DIR --out F.json [--recipe faces/em-mid] [--protected 10] [--train 14]
        [--side 64] [--epochs 40] [--seeds 1] [--channels "none,half + jpeg-75"]

Some people of DIR (a folder each) protect their training photos, as `unlearn protect` does it: a key a person, learned
on these photos alone, laid over the face. Everybody else's are clean. A small network learns all people from aligned
faces of `--side` pixels; its accuracy is measured on clean photos that nobody trained on, apart for those who protect
themselves and for the others. Clean photos and random noise of the same budget are the controls.
"""

import argparse
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from unlearn import album, face_album, recipe, training
from unlearn.audit.channels import EVERY
from unlearn.audit.plan import AuditPlan
from unlearn.crafting.workers import alone
from unlearn.environment import versions
from unlearn.errors import DataError
from unlearn.faces.face import Face
from unlearn.images import SUFFIXES
from unlearn.matching.views import added, main_face, with_noise
from unlearn.photo_audit import opened
from unlearn.photos import finding
from unlearn.progress import choose
from unlearn.quantities import FINE, whole_levels
from unlearn.recipe import Recipe
from unlearn.settings import SGD, Training

CLEAN, RANDOM, PROTECTED = "clean", "random noise", "protected"
TRAINING = Training(batch_size=32, sgd=SGD(lr=0.05, clip=1.0), augment=("crop", "flip"))  # as in audits/photos
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Shown:
    """A photo (H, W, 3) and its main face. person: number of the class."""

    pixels: Pixels
    face: Face
    person: int


def people(root: Path, count: int) -> dict[str, tuple[list[Path], list[Path]]]:
    """Photos to train on, and clean ones to test on, by person; a seed of its own divides each person's."""
    found = {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        order = np.random.default_rng([*folder.name.encode()]).permutation(len(paths))
        if len(paths) > count:
            found[folder.name] = ([paths[i] for i in order[:count]], [paths[i] for i in order[count:]])
    return found


def shown(paths: Sequence[Path], person: int) -> list[Shown]:
    """Those of the photos in which a face is found."""
    images = [np.asarray(opened(path)) for path in paths]
    faces = [main_face(finding.Found()(image), *image.shape[:2]) for image in images]
    return [Shown(image, face, person) for image, face in zip(images, faces, strict=True) if face is not None]


def keys(photos: Sequence[Shown], settings: Recipe, seed: int) -> dict[int, NDArray[np.float32]]:
    """Canvas noise in levels (S, S, 3) by person, crafted on these photos alone."""
    side = face_album.side_of(settings)
    by_person: dict[str, list[Pixels]] = {}
    for photo in photos:
        by_person.setdefault(str(photo.person), []).append(face_album.canvas(photo.pixels, photo.face, side))
    canvases = album.with_decoys(by_person)
    with tempfile.TemporaryDirectory() as work:
        secret = seed.to_bytes(4, "little")
        made = album.problem(settings, canvases, secret, Path(work), alone("cpu", 1), choose())
        rows = face_album.fine(settings.method.craft(made))
    levels = {name: rows[i].astype(np.float32).transpose(1, 2, 0) / FINE for i, name in enumerate(canvases.subjects)}
    return {int(name): np.ascontiguousarray(noise) for name, noise in levels.items()}


def noisy(photo: Shown, noise: NDArray[np.float32], epsilon: float) -> Shown:
    """The photo under its person's key."""
    return replace(photo, pixels=with_noise(photo.pixels, noise, photo.face, epsilon))


def random_noise(photo: Shown, epsilon: float, seed: int) -> Shown:
    """The control: uniform noise of the budget on the whole photo, which is more than any key changes."""
    limit = whole_levels(epsilon)
    drawn = np.random.default_rng([seed, int(photo.pixels.sum())]).integers(-limit, limit + 1, photo.pixels.shape)
    return replace(photo, pixels=added(photo.pixels, drawn.astype(np.float32), 0, 0, epsilon))


def batches(photos: Sequence[Shown], side: int, channel: str) -> training.Batches:
    """Aligned faces as a trainer cuts them from what a channel leaves of the photos."""
    views = []
    for photo in photos:
        served = np.asarray(EVERY[channel](Image.fromarray(photo.pixels)).convert("RGB"))
        face = photo.face.scaled(served.shape[1] / photo.pixels.shape[1])
        views.append(face_album.canvas(served, face, side))
    labels = torch.tensor([photo.person for photo in photos])
    return training.Batches(torch.from_numpy(np.stack(views)), labels, torch.arange(len(views)))


def learned(
    data: training.Batches, test: training.Batches, users: int, settings: Training, seed: int
) -> dict[str, Any]:
    """Train the small network from scratch: accuracy on clean photos of the `users` first classes and of the others."""
    classes = int(data.labels.max()) + 1
    network = training.build("small_cnn", classes, tuple(data.images.shape[1:]), seed)
    curve = training.train(network, data, settings, seed)
    hits = (training.predictions(network, test.images) == test.labels).float()
    mine = test.labels < users
    return {
        "training_accuracy": curve.train[-1],
        "users": float(hits[mine].mean()),
        "others": float(hits[~mine].mean()),
        "by_user": [float(hits[test.labels == label].mean()) for label in range(users)],
    }


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Accuracies of all sets, channels and seeds, as JSON."""
    torch.set_num_threads(1)
    settings, folders = recipe.load(arguments.recipe), people(arguments.people, arguments.train)
    if len(folders) <= arguments.protected:
        raise DataError(f"{arguments.people}: {len(folders)} people with more than {arguments.train} photos")
    train = [each for i, (paths, _) in enumerate(folders.values()) for each in shown(paths, i)]
    test = [each for i, (_, paths) in enumerate(folders.values()) for each in shown(paths, i)]
    rows = []
    for seed in range(arguments.seeds):
        users = [photo for photo in train if photo.person < arguments.protected]
        noise = keys(users, settings, seed)
        sets = versions_of(train, noise, settings.epsilon, seed)
        victim = replace(TRAINING, epochs=arguments.epochs)
        held = batches(test, arguments.side, "none")
        for channel in arguments.channels:
            for name, photos in sets.items():
                made = batches(photos, arguments.side, channel)
                found = learned(made, held, arguments.protected, victim, AuditPlan.first_seed + seed)
                rows.append({"seed": seed, "channel": channel, "set": name, **found})
                print({key: value for key, value in rows[-1].items() if key != "by_user"}, flush=True)
    facts = {"people": len(folders), "protected": arguments.protected, "train": len(train), "test": len(test)}
    names = ("recipe", "side", "epochs", "seeds", "channels")
    facts |= {name: getattr(arguments, name) for name in names} | {"chance": 1 / len(folders)}
    return {"design": facts, "rows": rows, "means": means(rows), "versions": versions()}


def versions_of(
    photos: Sequence[Shown], noise: Mapping[int, NDArray[np.float32]], epsilon: float, seed: int
) -> dict[str, list[Shown]]:
    """All training photos: clean; users' under random noise; users' under their keys."""
    return {
        CLEAN: list(photos),
        RANDOM: [random_noise(each, epsilon, seed) if each.person in noise else each for each in photos],
        PROTECTED: [
            noisy(each, key, epsilon) if (key := noise.get(each.person)) is not None else each for each in photos
        ],
    }


def means(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Over seeds."""
    found = []
    for channel, name in dict.fromkeys((row["channel"], row["set"]) for row in rows):
        mine = [row for row in rows if (row["channel"], row["set"]) == (channel, name)]
        parts = {part: statistics.fmean(row[part] for row in mine) for part in ("users", "others")}
        found.append({"channel": channel, "set": name, **parts})
    return found


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--people", type=Path, required=True, help="a folder with one folder a person")
    parser.add_argument("--recipe", default="faces/em-mid")
    parser.add_argument("--channels", type=lambda text: text.split(","), default=["none"])
    for name, count in (("protected", 10), ("train", 14), ("side", 64), ("epochs", 40), ("seeds", 1)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    import command

    command.said(lambda: command.written(parsed(), run))
