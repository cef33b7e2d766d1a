"""Cells of a research table: one user's gallery photos protected by one method, with one seed and given surrogates.

A cell is a folder with the photos as PNG and what they cost. It is made once: its name is a digest of all that
decides its pixels, and its facts are written last, so that a table that was stopped goes on with the missing cells.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from unlearn import files, images, recipe
from unlearn.crafting.domain import EveryPixel
from unlearn.crafting.problem import ROWS, Problem
from unlearn.crafting.workers import Workers, alone
from unlearn.datasets import ImageDataset
from unlearn.errors import DataError
from unlearn.faces import detectors, embedders
from unlearn.faces.face import Face
from unlearn.faces.geometry import to_canvas, to_template
from unlearn.faces.recogniser import Recogniser
from unlearn.images import to_array
from unlearn.matching.scene import weights_digest
from unlearn.matching.views import CANVAS, Pixels, cut, main_face, with_noise
from unlearn.photo_audit import opened
from unlearn.quantities import LEVELS, whole_levels
from unlearn.recipe import Recipe

FACTS = "facts.json"
CROP = 112  # side of the aligned crop on which a face's quality is measured


@dataclass(frozen=True)
class Cell:
    """What decides the pixels: a recipe, surrogates by name or file, a seed, and photos.

    learn: photos that the noise is crafted on. lay: photos that it is laid on; the same ones, or, for noise that is
    the same for all photos of a person, others.
    """

    method: str
    surrogates: tuple[str, ...]
    seed: int
    person: str
    learn: tuple[Path, ...]
    lay: tuple[Path, ...]
    detector: str = "mtcnn"

    @property
    def title(self) -> str:
        """`faces/opom-mid, seed 0, Ann`."""
        return f"{self.method}, seed {self.seed}, {self.person}"


def folder_of(cell: Cell, cache: Path) -> Path:
    """Where the cell's photos lie, or are going to lie."""
    settings = recipe.load(cell.method)
    about = {
        "recipe": settings.hash,
        "surrogates": [weights_digest(embedders.load(name)) for name in cell.surrogates],
        "photos": [[files.sha256(path) for path in paths] for paths in (cell.learn, cell.lay)],
        "seed": cell.seed,
        "detector": cell.detector,
        "canvas": CANVAS,
    }
    return cache / hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]


def photos_of(cell: Cell, folder: Path) -> list[Path]:
    """The protected photos of a finished cell, in the order of `lay`."""
    return [folder / f"{number}.png" for number in range(len(cell.lay))]


def facts_of(folder: Path) -> dict[str, Any] | None:
    """What a finished cell cost, or None for one that is not finished."""
    place = folder / FACTS
    return dict(json.loads(place.read_text(encoding="utf-8"))) if place.is_file() else None


def make(cell: Cell, folder: Path, device: str = "cpu", threads: int = 1) -> dict[str, Any]:
    """Protect the cell's photos and write them, or find them there; the facts of the cell.

    Raises:
        DataError: no face in any photo to learn on, or noise of single photos that is to be laid on others.
    """
    known = facts_of(folder)
    if known is not None:
        return known
    settings, detector = recipe.load(cell.method), detectors.load(cell.detector)
    surrogates = tuple(embedders.load(name) for name in cell.surrogates)
    pixels = {path: np.asarray(opened(path)) for path in (*cell.learn, *cell.lay)}
    faces = {path: main_face(detector.find(each), *each.shape[:2]) for path, each in pixels.items()}
    started = time.monotonic()
    noise = _noise(cell, settings, pixels, faces, surrogates, alone(device, threads))
    seconds = (time.monotonic() - started) / max(1, len(cell.learn))
    changed = [
        pixels[path] if (face := faces[path]) is None else with_noise(pixels[path], noise[path], face, settings.epsilon)
        for path in cell.lay
    ]
    costs = [_cost(pixels[path], each, faces[path]) for path, each in zip(cell.lay, changed, strict=True)]
    facts = {"seconds_a_photo": seconds, "epsilon": settings.epsilon, "rows": settings.rows, "photos": costs}
    _write(folder, cell, changed, facts)
    return facts


def _noise(
    cell: Cell,
    settings: Recipe,
    pixels: dict[Path, Pixels],
    faces: dict[Path, Face | None],
    surrogates: Sequence[Recogniser],
    workers: Workers,
) -> dict[Path, NDArray[np.float32]]:
    """Canvas noise in levels (S, S, 3) for every photo that it is laid on."""
    found = [(path, face) for path in cell.learn if (face := faces[path]) is not None]
    if not found:
        raise DataError(f"{cell.person}: no face found in {len(cell.learn)} photos, so nothing can be crafted")
    shared = settings.rows == "class-wise"
    if not shared and cell.learn != cell.lay:
        raise DataError(f"{cell.method}: makes noise for single photos, which fits no others")
    canvases = np.stack([canvas(pixels[path], face) for path, face in found])
    rows = craft(settings, canvases, cell.person, surrogates, cell.seed, workers)
    if shared:
        return dict.fromkeys(cell.lay, rows[0])
    return {path: row for (path, _), row in zip(found, rows, strict=True)}


def canvas(pixels: Pixels, face: Face) -> Pixels:
    """The face of a photo (H, W, 3) on a canvas, uint8 (3, S, S)."""
    made = cut(pixels, to_canvas(face, CANVAS), CANVAS)
    return np.asarray((made * LEVELS).round().to(torch.uint8).numpy())


def craft(
    settings: Recipe,
    canvases: NDArray[np.uint8],
    person: str,
    surrogates: Sequence[Recogniser],
    seed: int,
    workers: Workers,
) -> NDArray[np.float32]:
    """Noise in levels of 255, float32 (N, S, S, 3), for the canvases (N, 3, S, S) of one person."""
    for recogniser in surrogates:
        recogniser.network.to(workers.device)
    labels = np.zeros(len(canvases), dtype=np.int64)
    problem = Problem(
        data=ImageDataset(canvases, labels, (person,)),
        row=ROWS[settings.rows](labels, np.ones(len(canvases), dtype=np.bool_)),
        epsilon=settings.epsilon,
        surrogate=settings.surrogate,
        seed=seed,
        workers=workers,
        domain=settings.band or EveryPixel(),
        embedders=tuple(recogniser.embed_canvas for recogniser in surrogates),
    )
    made = settings.method.craft(problem).on_pixels(canvases.shape[1:])
    levels = made.levels(torch.arange(len(canvases))).numpy().astype(np.float32)
    return np.ascontiguousarray(levels.transpose(0, 2, 3, 1))


def _cost(clean: Pixels, changed: Pixels, face: Face | None) -> dict[str, Any]:
    """Quality of the whole photo and of the aligned face."""
    whole = images.quality(to_array(Image.fromarray(clean))[None], to_array(Image.fromarray(changed))[None])
    found: dict[str, Any] = {"found": face is not None, **_figures(asdict(whole), "")}
    if face is not None:
        before, after = (_aligned(each, face) for each in (clean, changed))
        found |= _figures(asdict(images.quality(before, after)), "face_")
    return found


def _aligned(pixels: Pixels, face: Face) -> Pixels:
    made = cut(pixels, to_template(face), CROP) * LEVELS
    return np.asarray(made.round().to(torch.uint8)[None].numpy())


def _figures(quality: dict[str, Any], prefix: str) -> dict[str, float]:
    return {f"{prefix}{name}": quality[name] for name in ("psnr", "ssim", "max_levels")}


def _write(folder: Path, cell: Cell, changed: Sequence[Pixels], facts: dict[str, Any]) -> None:
    """Photos first, facts last; the written files are within the budget by their pixels."""
    for place, each in zip(photos_of(cell, folder), facts["photos"], strict=True):
        if each["max_levels"] > whole_levels(facts["epsilon"]):
            raise DataError(f"{place.name} of {cell.title} is beyond its budget by {each['max_levels']} levels")
    with files.output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for place, pixels in zip(photos_of(cell, folder), changed, strict=True):
            files.write_bytes(place, images.png(to_array(Image.fromarray(pixels))))
        files.write_json(folder / FACTS, facts)
