"""How fast a network reads keys when nothing else tells photos apart, beside how fast it learns what photos show.

    python scripts/photos/reading.py OUT PHOTOS --test FOLDER [--keys FOLDER] [--seeds 3] [--epochs 25] [--side 64]
                                     [--json FILE]

OUT is what `unlearn protect PHOTOS OUT --people folders` wrote; FOLDER has clean photos of the same people. Photos are
dealt to people at random, training and test photos alike, and carry the key of whom they were dealt to: only the key
tells people apart, so accuracy on the unseen photos is how well keys are read. Beside it the same network learns the
clean photos under their own names. All photos are halved and recompressed (JPEG 75), as a social network would.

A network learns from the photos themselves for as long as it can't read the keys: the two curves, epoch by epoch, tell
how much of that no noise of this strength can take away.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from unlearn import photo_audit, photo_pairs, recipe_check
from unlearn.audit import cells
from unlearn.audit.channels import halved_and_recompressed
from unlearn.audit.plan import AuditPlan
from unlearn.datasets import ImageDataset
from unlearn.errors import DataError, UnlearnError
from unlearn.photos import keyring, keys, noise
from unlearn.photos.keys import Key
from unlearn.photos.picture import Picture

Labels = NDArray[np.int64]
TOLD = (1, 2, 3, 5, 8, 12, 25)


def views(photos: list[Path], side: int, dealt: list[Key] | None = None) -> NDArray[np.uint8]:
    """Small views (N, 3, side, side) of photos, each with its key if keys are dealt, after the channel."""
    return np.stack([_view(path, side, dealt[i] if dealt else None) for i, path in enumerate(photos)])


def _view(path: Path, side: int, key: Key | None) -> NDArray[np.uint8]:
    picture = Picture(np.array(photo_audit.opened(path)), "png")
    if key:
        noise.add(picture, key, keys.pixel_hash(picture))
    return photo_audit.view(halved_and_recompressed(Image.fromarray(picture.pixels)), side)


def trained(train: ImageDataset, test: ImageDataset, plan: AuditPlan, seed: int) -> dict[str, list[float]]:
    """The victim's accuracy after every epoch on its training images and on the test images."""
    bench = cells.Bench(train, {"protected": train.images}, test, plan, torch.device("cpu"), torch.float32)
    row = cells.run(cells.Cell("protected", plan.defenses[0], plan.victims[0], seed), bench, lambda epoch: None)
    return {"train": row["curve"]["train"], "test": row["curve"]["test"]}


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Both curves, averaged over seeds."""
    parts = photo_pairs.against(photo_pairs.pairs(arguments.out, arguments.photos), arguments.test)
    names = parts.subjects
    photos = [[pair.original for pair in part] for part in (parts.train, parts.test)]
    labels = [np.array([names.index(pair.subject) for pair in part]) for part in (parts.train, parts.test)]
    ring = _ring(arguments.keys or arguments.out / "keys", names)
    plan = _plan(arguments)
    runs: dict[str, list[dict[str, list[float]]]] = {"photos read": [], "keys read": []}
    clean = [views(part, arguments.side) for part in photos]
    for seed in plan.victim_seeds:
        runs["photos read"].append(_run(clean, labels, names, plan, seed))
        draw = np.random.default_rng(seed)
        dealt = [draw.permutation(part) for part in labels]
        keyed = [
            views(part, arguments.side, [ring[label] for label in given])
            for part, given in zip(photos, dealt, strict=True)
        ]
        runs["keys read"].append(_run(keyed, dealt, names, plan, seed))
    means = {what: {part: _mean(each, part) for part in ("train", "test")} for what, each in runs.items()}
    return {"people": len(names), "photos": len(photos[0]), "test": len(photos[1]), "seeds": plan.seeds, **means}


def _ring(folder: Path, names: tuple[str, ...]) -> list[Key]:
    whole = (key for _, key in keyring.listing(folder) if isinstance(key, Key) and key.frame == "photo")
    found = {key.subject: key for key in whole}
    missing = [name for name in names if name not in found]
    if missing:
        raise DataError(f"{folder}: no key of {', '.join(missing[:5])}")
    return [found[name] for name in names]


def _plan(arguments: argparse.Namespace) -> AuditPlan:
    plan = recipe_check.load_audit("audits/photos")
    return replace(
        plan, seeds=arguments.seeds, by_class=False, training=replace(plan.training, epochs=arguments.epochs)
    )


def _run(
    images: list[NDArray[np.uint8]], labels: list[Labels], names: tuple[str, ...], plan: AuditPlan, seed: int
) -> dict[str, list[float]]:
    train, test = (ImageDataset(*pair, names) for pair in zip(images, labels, strict=True))
    return trained(train, replace(test, split="test"), plan, seed)


def _mean(runs: list[dict[str, list[float]]], part: str) -> list[float]:
    return [round(float(value), 4) for value in np.mean([run[part] for run in runs], axis=0)]


def table(found: dict[str, Any]) -> str:
    """Lines for people."""
    lines = ["epoch   photos read (unseen clean photos)   keys read (unseen photos with keys)   keys read (training)"]
    for epoch in (e for e in TOLD if e <= len(found["keys read"]["test"])):
        shares = (found["photos read"]["test"], found["keys read"]["test"], found["keys read"]["train"])
        lines.append(f"{epoch:5d}" + "".join(f"{100 * share[epoch - 1]:34.1f} %" for share in shares))
    return "\n".join(lines)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description="How fast keys are read, and how fast photos are.")
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("photos", type=Path, metavar="PHOTOS")
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--keys", type=Path, help="by default those of OUT")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--side", type=int, default=photo_audit.SIDE)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    try:
        found = measure(arguments)
    except UnlearnError as error:
        parser.error(str(error))
    print(table(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
