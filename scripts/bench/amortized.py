"""Noise optimized for every image (EM) beside noise that a generator writes: seconds, and what a network learns of it.

    python scripts/bench/amortized.py --data CIFAR10 [--images 5000] [--shares 0.1 0.25 0.5] [--json FILE]
    python scripts/bench/amortized.py --quick

Settings are those of recipes/small/em.yaml and recipes/small/amortized.yaml, with this share of the images training the
generator; images, surrogate, precision and threads are the same. An extra image costs its part of EM's noise steps, or
of the generator's pass; what a generator costs at first pays from so many images on. Accuracies are those of
recipes/audits/small.yaml with victims from another seed than the surrogate's: on all images, on the share alone, and on
the rest, which the generator never saw.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

import machine
import numpy as np
import torch
from machine import Spent
from numpy.typing import NDArray

from unlearn import datasets, expectations, recipe, recipe_check
from unlearn.audit import run as auditing
from unlearn.audit.plan import AuditPlan
from unlearn.crafting import amortize
from unlearn.crafting.problem import ROWS, Problem
from unlearn.crafting.workers import Workers
from unlearn.datasets import ImageDataset
from unlearn.images import Pixels
from unlearn.kinds import Perturbation
from unlearn.progress import Silent
from unlearn.recipe import Recipe

EM, AMORTIZED = "small/em", "small/amortized"
SHORT = tuple(f"method.schedule.{name}=2" for name in ("train_steps", "min_rounds", "max_rounds"))
Index = NDArray[np.int64]


class Watch(Silent):
    """The time of each phase of crafting, and the rounds."""

    def __init__(self) -> None:
        self.spent, self.rounds = Spent.none(), 0

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Any]:
        with self.spent.phase(name.rpartition(": ")[2]):
            yield lambda units: None

    def log(self, event: str, **facts: Any) -> None:
        self.rounds += event == "round"


def problem(settings: Recipe, data: ImageDataset, watch: Watch, options: argparse.Namespace) -> Problem:
    """All samples, as the recipe has them crafted."""
    row = ROWS["sample-wise"](data.labels, np.ones(len(data), dtype=bool))
    team = Workers(torch.device("cpu"), threads=options.threads)
    precision = machine.PRECISIONS[options.precision]
    return Problem(data, row, settings.epsilon, settings.surrogate, workers=team, progress=watch, precision=precision)


def crafted(
    settings: Recipe, method: Any, data: ImageDataset, options: argparse.Namespace
) -> tuple[Perturbation, dict[str, Any], dict[str, float]]:
    """The perturbation, figures of its cost, and CPU seconds by phase."""
    watch = Watch()
    with watch.spent.phase("total"):
        made: Perturbation = method.craft(problem(settings, data, watch, options))
    cpu, noise = watch.spent.cpu, watch.spent.cpu["noise"]
    figures = {
        "seconds": round(watch.spent.wall["total"], 2),
        "cpu_seconds": round(cpu["total"], 2),
        "rounds": watch.rounds,
        "cpu_ms_an_extra_image": round(1000 * noise / len(data), 3),
    }
    print(f"{settings.method_name}: {figures}", file=sys.stderr, flush=True)
    return made, figures, cpu


def pays_from(em: Mapping[str, float], ours: Mapping[str, float], images: int) -> int | None:
    """Images from which the generator costs fewer CPU seconds than as many rounds of EM; None for never."""
    saved = (em["noise"] - ours["noise"]) / images
    first = ours["total"] - ours["noise"] - (em["total"] - em["noise"])
    return max(0, ceil(first / saved)) if saved > 0 else None


def accuracies(
    clean: ImageDataset, sets: dict[str, Pixels], test: ImageDataset, plan: AuditPlan, precision: str
) -> dict[str, float]:
    """Clean test accuracy by training set, with the random control of the first."""
    first = next(iter(sets))
    named = {("protected" if name == first else name): pixels for name, pixels in sets.items()}
    subject = auditing.Subject(clean, named, test, recipe.load(EM).epsilon)
    post = auditing.Post(precision=machine.PRECISIONS[precision])
    with tempfile.TemporaryDirectory() as folder:
        auditing.audit(subject, plan, Path(folder), post)
        results = {"rows": auditing.rows(subject, plan, Path(folder), post)}
    means = expectations.set_means(results)
    return {(first if name == "protected" else name): round(value, 4) for name, value in means.items()}


def measure(train: ImageDataset, test: ImageDataset, plan: AuditPlan, options: argparse.Namespace) -> dict[str, Any]:
    """EM, then a generator for every share; then the audits."""
    everything = np.arange(len(train))
    em, ours = (recipe.load(name, SHORT if options.quick else ()) for name in (EM, AMORTIZED))
    made, figures, spent = crafted(em, em.method, train, options)
    sets, costs, found = {"em": made.apply_pixels(train.images, everything)}, {"em": figures}, {}
    for share in options.shares:
        name, method = f"amortized {share:g}", replace(ours.method, share=share)
        made, figures, mine = crafted(ours, method, train, options)
        sets[name] = made.apply_pixels(train.images, everything)
        costs[name] = figures | {"pays_from_images": pays_from(spent, mine, len(train))}
        share_only = amortize.chosen(problem(ours, train, Watch(), options), share)
        parts = {"share": share_only, "rest": np.setdiff1d(everything, share_only)}
        found[name] = {
            f"{part} ({len(index)} images)": accuracies(
                train.take(index), {name: sets[name][index]}, test, plan, options.precision
            )
            for part, index in parts.items()
            if len(index)
        }
    return {"cost": costs, "all": accuracies(train, sets, test, plan, options.precision), "parts": found}


def images(options: argparse.Namespace) -> tuple[ImageDataset, ImageDataset]:
    """The first images of CIFAR-10 from a folder of parquet files, and its test set; or the generated set."""
    source, place = ("parquet", {"path": str(options.data)}) if options.data else ("embedded", {})
    train, test = (datasets.load(source, split, None, **place) for split in ("train", "test"))
    return datasets.limited(train, options.images, 0), datasets.limited(test, min(len(test), options.tests), 0)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description="EM beside a generator: seconds and audits.")
    parser.add_argument("--data", type=Path, help="a folder of CIFAR-10 as parquet; the generated set without it")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--tests", type=int, default=2000)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.1, 0.25, 0.5])
    parser.add_argument("--precision", choices=sorted(machine.PRECISIONS), default="bfloat16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--quick", action="store_true", help="few generated images, one share, two rounds, one epoch of the audit"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    plan = replace(recipe_check.load_audit("audits/small"), first_seed=1)
    if options.quick:
        options.images, options.tests, options.shares = 120, 60, [0.5]
        plan = replace(plan, training=replace(plan.training, epochs=1))
    train, test = images(options)
    machine.printed(options, measure(train, test, plan, options), ("json", "quick", "data"))


if __name__ == "__main__":
    main()
