"""The audit: all cells, dealt to the processes, each kept as soon as it is done, then the summary and reports."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unlearn import control, files, images, placing
from unlearn.audit import detection, report, side_by_side, summary
from unlearn.audit.cells import Bench, Cell, cells, run, settings
from unlearn.audit.plan import AuditPlan
from unlearn.audit.side_by_side import Training
from unlearn.crafting.workers import Workers
from unlearn.datasets import ImageDataset
from unlearn.environment import device_name, versions
from unlearn.errors import DataError, Interrupted
from unlearn.images import Pixels
from unlearn.progress import Advance, Progress, Silent
from unlearn.promise import Promise
from unlearn.quantities import whole_levels
from unlearn.signals import StopRequest

EXAMPLES = 6
CELLS = "cells"


@dataclass(frozen=True)
class Subject:
    """What is audited: the clean data, one or more protected versions of them, and where they come from.

    protected: pixels by name, uint8 (N, C, H, W) in the clean data's order; the first name is `protected`.
    facts: further entries of results.json, such as method, settings and crafting.
    random: the control's pixels, where uniform noise on every pixel is not the fair one; None makes that.
    controls: further controls by name, such as `random:ops`, for sets with other budgets; trained on without a defense.
    """

    clean: ImageDataset
    protected: Mapping[str, Pixels]
    test: ImageDataset
    epsilon: float
    facts: Mapping[str, Any] = field(default_factory=dict)
    random: Pixels | None = None
    controls: Mapping[str, Pixels] = field(default_factory=dict)


@dataclass(frozen=True)
class Post:
    """This process among those that share an audit, and how it says how far it is; threads: its cores, on a CPU."""

    device: torch.device = torch.device("cpu")
    rank: int = 0
    world: int = 1
    precision: torch.dtype = torch.float32
    progress: Progress = field(default_factory=Silent)
    stop: StopRequest = field(default_factory=StopRequest)
    threads: int = 1


def audit(subject: Subject, plan: AuditPlan, out: Path, post: Post | None = None) -> None:
    """Run this process's share of the trainings; finished ones found in `out` are not run again.

    On a CPU a training has one thread, so that its sums do not depend on the cores, and runs beside others.

    Raises:
        DataError: when the test set does not fit the training set.
        Interrupted: after a stop request, when the trainings that run are done.
    """
    post = post or Post()
    bench = _bench(subject, plan, post)
    digests = _digests(bench)
    (out / CELLS).mkdir(parents=True, exist_ok=True)
    mine = slice(post.rank, None, post.world)
    trainings: list[Training] = [
        *(partial(_run_once, c, bench, _path(out, c, bench, digests), post) for c in cells(bench.sets, plan)[mine]),
        *(
            partial(_detect_once, t, bench, _trial_path(out, t, bench, digests), post)
            for t in detection.trials(bench.sets, plan)[mine]
        ),
    ]
    threads = side_by_side.at_once(post.threads, plan.training.batch_size, bench.clean.images)
    team = Workers(post.device, threads=threads)
    side_by_side.run(trainings, plan.training.epochs, team, post.progress, post.stop)
    if post.stop.requested:
        raise Interrupted("audit stopped; the same command goes on with the training runs that are missing")


def finish(subject: Subject, plan: AuditPlan, out: Path, post: Post | None = None) -> dict[str, Any]:
    """Collect the cells of all processes, write the reports, and return the results."""
    results = collect(subject, plan, rows(subject, plan, out, post), post)
    if plan.detection:
        results["detection"] = detections(subject, plan, out, post)
    report.write(out, results, examples(subject))
    return results


def rows(subject: Subject, plan: AuditPlan, out: Path, post: Post | None = None) -> list[dict[str, Any]]:
    """The finished cells of all processes, in the order of `cells`."""
    bench = _bench(subject, plan, post or Post())
    digests = _digests(bench)
    return [json.loads(_path(out, c, bench, digests).read_text()) for c in cells(bench.sets, plan)]


def detections(subject: Subject, plan: AuditPlan, out: Path, post: Post | None = None) -> list[dict[str, Any]]:
    """How well simple models tell the sets of all processes from the clean images; see `detection`."""
    bench = _bench(subject, plan, post or Post())
    digests = _digests(bench)
    trials = detection.trials(bench.sets, plan)
    return [json.loads(_trial_path(out, trial, bench, digests).read_text()) for trial in trials]


def _digests(bench: Bench) -> dict[str, str]:
    return {name: _digest(bench.clean, pixels) for name, pixels in bench.sets.items()}


def _digest(clean: ImageDataset, pixels: Pixels) -> str:
    """Of what a victim is told: the pixels, the labels and the classes' names."""
    digest = hashlib.sha256("\0".join(clean.names).encode() + clean.labels.tobytes())
    for part in placing.blocks(pixels):
        digest.update(pixels[part].tobytes())
    return digest.hexdigest()


def _bench(subject: Subject, plan: AuditPlan, post: Post) -> Bench:
    clean, test = subject.clean, subject.test
    if test.names != clean.names:
        raise DataError(f"the test set has classes {', '.join(test.names)}; trained on {', '.join(clean.names)}")
    if test.images.shape[1:] != clean.images.shape[1:]:
        raise DataError(f"test images are {test.images.shape[1:]}, training images {clean.images.shape[1:]}")
    for classes in plan.sweep.classes:
        for name in set(classes) - set(clean.names):
            raise DataError(f"audit.sweep.classes: no class {name!r}; there are: {', '.join(clean.names)}")
    random = random_noise(subject) if subject.random is None else subject.random
    sets = {"clean": clean.images, "random": random, **subject.controls, **subject.protected}
    return Bench(clean, sets, test, plan, post.device, post.precision)


def random_noise(subject: Subject) -> Pixels:
    """The control: uniform whole levels within the budget on the samples that are protected."""
    clean, changed = subject.clean, next(iter(subject.protected.values()))
    return control.uniform(clean.images, changed, clean.keys, Promise(whole_levels(subject.epsilon)))


def _path(out: Path, cell: Cell, bench: Bench, digests: Mapping[str, str]) -> Path:
    """A cell's file, named by everything that decides its result."""
    used = [digests["clean"], digests.get(cell.train_on, digests["protected"]), bench.test.fingerprint]
    used += [digests["protected"]] if cell.defense.presumes else []  # pairs that leaked, for the controls too
    about = {**settings(cell, bench.plan), "images": used, "precision": str(bench.precision), **versions()}
    return _named(out, about)


def _trial_path(out: Path, trial: detection.Trial, bench: Bench, digests: Mapping[str, str]) -> Path:
    return _named(out, {**detection.settings(trial, digests), "precision": str(bench.precision), **versions()})


def _named(out: Path, about: Mapping[str, Any]) -> Path:
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    return out / CELLS / f"{digest[:24]}.json"


def _run_once(cell: Cell, bench: Bench, path: Path, post: Post, advance: Advance) -> None:
    if path.exists():
        return
    row = run(cell, bench, lambda epoch: advance(1))
    with files.output_errors(path):
        files.write_json(path, row)
    about = {k: v for k, v in row.items() if k != "curve"}
    post.progress.log("trained", **about)


def _detect_once(trial: detection.Trial, bench: Bench, path: Path, post: Post, advance: Advance) -> None:
    if path.exists():
        return
    row = detection.run(trial, bench)
    with files.output_errors(path):
        files.write_json(path, row)
    post.progress.log("detected", **row)


def collect(subject: Subject, plan: AuditPlan, rows: list[dict[str, Any]], post: Post | None = None) -> dict[str, Any]:
    """results.json as data, from its rows."""
    post = post or Post()
    threads = 1 if post.device.type == "cpu" else torch.get_num_threads()  # of an operator, in every training
    chance = float(subject.test.counts().max() / len(subject.test))
    grid = [row for row in rows if "kind" not in row]
    quality = {name: asdict(images.quality(subject.clean.images, pixels)) for name, pixels in subject.protected.items()}
    return {
        "version": 1,
        **subject.facts,
        "epsilon": subject.epsilon,
        "chance": chance,
        "rows": grid,
        "sweep": [row for row in rows if "kind" in row],
        "summary": summary.summarize(grid, chance),
        "quality": quality,
        "versions": versions(),
        "machine": {"device": device_name(post.device), "threads": threads, "precision": _name(post)},
        "data_fingerprint": subject.clean.fingerprint,
        "not_run": list(plan.not_run),
        **({"prescreen": plan.prescreen} if plan.prescreen else {}),
    }


def _name(post: Post) -> str:
    return str(post.precision).removeprefix("torch.")


def examples(subject: Subject) -> list[report.Example]:
    """One image of each of the first classes, before and after."""
    pixels = next(iter(subject.protected.values()))
    firsts = [np.flatnonzero(subject.clean.labels == label) for label in range(subject.clean.classes)]
    chosen = [int(positions[0]) for positions in firsts if len(positions)][:EXAMPLES]
    labels = subject.clean.labels
    return [report.Example(subject.clean.names[labels[i]], subject.clean.images[i], pixels[i]) for i in chosen]
