"""Runs: what `unlearn craft` leaves in a folder, and what is made of it.

RUN/ holds perturbation.safetensors (0600), recipe.yaml (resolved), run.json, log.jsonl and, while it is
under way, checkpoint/. A folder that holds a run of another recipe or of other data is refused.
"""

import json
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unlearn import datasets, files, perturbation, placing, precision, recipe
from unlearn.crafting import history
from unlearn.crafting import workers as processes
from unlearn.crafting.checkpoint import Checkpoints
from unlearn.crafting.domain import EveryPixel
from unlearn.crafting.problem import ROWS, Embedder, Problem
from unlearn.crafting.workers import Workers
from unlearn.datasets import ImageDataset
from unlearn.environment import versions
from unlearn.errors import DataError, OutputError
from unlearn.faces import embedders as recognisers
from unlearn.kinds import Crafted
from unlearn.perturbation import Origin, Saved
from unlearn.progress import Logged, Progress, Silent
from unlearn.recipe import Recipe

PERTURBATION = "perturbation.safetensors"
RECIPE = "recipe.yaml"
FACTS = "run.json"
LOG = "log.jsonl"
CHECKPOINT = "checkpoint"
RUNS = "runs"  # where a whole run keeps its runs


@dataclass(frozen=True)
class Run:
    """A finished run: its name and recipe, its perturbation, the log of its crafting, and the name of its folder."""

    name: str
    recipe: Recipe
    saved: Saved
    crafting: dict[str, Any]
    folder: str = ""


def open_data(settings: Recipe, split: str | None = None) -> ImageDataset:
    """The training data of a recipe, or another of its splits, checked against what the recipe expects.

    Raises:
        DataError: what is wrong with the data, and where.
    """
    wanted = settings.data
    name = wanted.train if split is None else split
    samples = wanted.train_samples if split is None else wanted.test_samples
    with placed(settings):
        data = datasets.load(settings.source, name, wanted.fit, **settings.source_options)
        _check_expected(settings, data)
        return datasets.limited(data, samples, settings.seed)


def placed(settings: Recipe) -> AbstractContextManager[None]:
    """Keeps what is larger than data.memory in files beside the decoded sets, as long as the block lasts."""
    return placing.bounded(settings.data.memory, settings.data.cache_folder)


def _check_expected(settings: Recipe, data: ImageDataset) -> None:
    expects, size = settings.data.expects, max(data.images.shape[2:])
    if expects.classes not in (None, data.classes):
        raise DataError(
            f"recipe {settings.name} is for {expects.classes} classes, these data have {data.classes} "
            f"({', '.join(data.names[:6])}{', ...' if data.classes > 6 else ''})"
        )
    if expects.size not in (None, size):
        raise DataError(f"recipe {settings.name} is for images of {expects.size} pixels, these have {size}")


def preview(settings: Recipe) -> str:
    """What the data of a recipe hold, in one line."""
    data = open_data(settings)
    channels, height, width = data.images.shape[1:]
    return f"{len(data)} images of {width}x{height} with {channels} channels, {data.classes} classes"


def test_data(settings: Recipe) -> ImageDataset:
    """The test split of a recipe.

    Raises:
        DataError: when the recipe has none.
    """
    if settings.data.test is None:
        raise DataError(f"{settings.name}: no test split is named, and an audit needs one; data.test=NAME names it")
    return open_data(settings, settings.data.test)


def craft(
    settings: Recipe,
    out: Path,
    progress: Progress | None = None,
    team: Workers | None = None,
    checkpoint_every: float = 60.0,
) -> Path:
    """Craft the recipe's perturbation into `out`, going on from a checkpoint found there.

    Raises:
        DataError, OutputError: before anything is written.
        Interrupted: after SIGTERM, SIGINT or SIGUSR1, with a checkpoint.
    """
    team = team or processes.launch()
    progress = progress if progress and team.main else Silent()
    data = open_data(settings)
    row = ROWS[settings.rows](data.labels, settings.target.mask(data, settings.seed))
    team.together(lambda: _claim(settings, out, data, int(row.max()) + 1))
    if (out / PERTURBATION).exists():
        _tidy(out, team)  # what a kill between the last two steps left
        progress.log("done already", run=str(out))
        return out
    if team.main:
        progress = Logged(progress, out / LOG)
    progress.log("start", recipe=settings.name, images=len(data), processes=team.world, device=str(team.device))
    checkpoints = Checkpoints(out / CHECKPOINT, checkpoint_every)
    with history.timed(progress), placing.bounded(settings.data.memory, out):
        noise = settings.method.craft(_problem(settings, data, row, team, progress, checkpoints))
        team.together(lambda: _finish(settings, out, data, noise))
    _tidy(out, team)
    return out


def _problem(
    settings: Recipe,
    data: ImageDataset,
    row: NDArray[np.int32],
    team: Workers,
    progress: Progress,
    checkpoints: Checkpoints,
) -> Problem:
    return Problem(
        data=data,
        row=row,
        epsilon=settings.epsilon,
        domain=settings.band or EveryPixel(),
        embedders=embedders(settings.embedders, team.device),
        surrogate=settings.surrogate,
        seed=settings.seed,
        workers=team,
        progress=progress,
        precision=precision.chosen(team.device, settings.precision, progress),
        checkpoints=checkpoints,
    )


def embedders(names: Sequence[str], device: torch.device) -> tuple[Embedder, ...]:
    """What these recognisers of faces make of canvases, on the device.

    Raises:
        UnlearnError: no such recogniser, or weights that are missing or damaged.
    """
    found = [recognisers.load(name) for name in names]
    for each in found:
        each.network.to(device)
    return tuple(each.embed_canvas for each in found)


def _tidy(out: Path, team: Workers) -> None:
    """Remove what only an unfinished run needs."""
    if team.main:
        shutil.rmtree(out / CHECKPOINT, ignore_errors=True)


def _claim(settings: Recipe, out: Path, data: ImageDataset, rows: int) -> None:
    facts = out / FACTS
    if facts.exists():
        return _check_same(settings, out, data, _read_facts(out))
    # Noise on its grid, in whole levels and in the file, two checkpoints.
    files.claim(out, space=rows * int(np.prod(data.images.shape[1:])) * 5)
    with files.output_errors(out):
        files.write_text(out / RECIPE, recipe.to_yaml(recipe.resolved(settings)))
        files.write_json(facts, _facts(settings, data))


def _facts(settings: Recipe, data: ImageDataset) -> dict[str, Any]:
    return {"name": settings.name, "recipe_hash": settings.hash, "data_fingerprint": data.fingerprint}


def _check_same(settings: Recipe, out: Path, data: ImageDataset, found: dict[str, Any]) -> None:
    now = _facts(settings, data)
    differing = [name for name in ("recipe_hash", "data_fingerprint") if found.get(name) != now[name]]
    if differing:
        what = " and ".join({"recipe_hash": "another recipe", "data_fingerprint": "other data"}[d] for d in differing)
        raise OutputError(f"{out}: holds a run of {what} ({found.get('name')}); name another folder")


def _finish(settings: Recipe, out: Path, data: ImageDataset, noise: Crafted) -> None:
    shape = tuple(int(n) for n in data.images.shape[1:])
    origin = Origin(
        method=settings.method_name,
        rows=settings.rows,
        recipe_hash=settings.hash,
        data=settings.data.title or settings.source,
        data_fingerprint=data.fingerprint,
        names=data.names,
        shape=shape,
        versions=versions(),
    )
    perturbation.save(out / PERTURBATION, Saved(noise.on_pixels(shape), data.ids, origin))


def load(folder: Path, overrides: Sequence[str] = ()) -> Run:
    """Read a finished run; overrides such as `data.path=...` say where its data are now.

    Raises:
        UnlearnError: not a run, or one that is not finished.
    """
    if not (folder / FACTS).is_file():
        raise DataError(f"{folder}: not a run; `unlearn craft RECIPE --out {folder}` makes one")
    if not (folder / PERTURBATION).is_file():
        raise DataError(f"{folder}: this run is not finished; the same `unlearn craft` goes on from its checkpoint")
    name, saved = _read_facts(folder)["name"], perturbation.load(folder / PERTURBATION)
    settings, cost = recipe.load(str(folder / RECIPE), overrides), history.crafting_facts(folder / LOG)
    return Run(name, settings, saved, cost, folder.resolve().name)


def _read_facts(folder: Path) -> dict[str, Any]:
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        return {"name": str(facts["name"]), **facts}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / FACTS}: not readable, so this is no run of unlearn ({error})") from error
