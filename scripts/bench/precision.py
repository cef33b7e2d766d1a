"""Does noise of the fast mode teach victims as little as that of the reference mode? EM crafted in both, seed by seed.

    python scripts/bench/precision.py DIR --data CIFAR10 [--recipes small/em small/em-class] [--seeds 3] [--json FILE]
    python scripts/bench/precision.py DIR --quick

`reference` is float32, `fast` bfloat16; both noises of a recipe and seed start from the same weights and see the same
batches. Victims train in float32 by the recipe's audit, one seed for each seed of crafting, beside clean images and
random noise. DIR keeps runs and audits, so that the same command goes on.
"""

import argparse
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import machine
import torch

from unlearn import examination, expectations, recipe, run
from unlearn.crafting.workers import Workers
from unlearn.run import Run

SIDES = {"reference": "float32", "fast": "bfloat16"}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Clean test accuracy by training set, one figure a seed, and the differences between the sides."""
    found = [of_seed(options, number) for number in range(options.seeds)]
    accuracy = {name: [each[name] for each in found] for name in found[0]}
    differences = {
        name: [round(f - r, 4) for r, f in zip(accuracy[f"{name} reference"], accuracy[f"{name} fast"], strict=True)]
        for name in options.recipes
    }
    means = {name: round(statistics.fmean(each), 4) for name, each in differences.items()}
    return {"accuracy": accuracy, "fast_minus_reference": differences, "mean_difference": means}


def of_seed(options: argparse.Namespace, number: int) -> dict[str, float]:
    """Accuracy on `clean`, on `random`, and on each recipe's noise of both sides."""
    team = Workers(torch.device("cpu"), threads=options.threads)
    names = [f"{name} {side}" for name in options.recipes for side in SIDES]
    runs = [crafted(options, *name.split(), number, team) for name in names]
    plan = replace(runs[0].recipe.audit, first_seed=1000 + number, seeds=1, precision="float32")
    results = examination.audit(runs, options.folder / f"audit-{number}", plan, team=team)
    means = expectations.set_means(results)
    protected = [value for name, value in means.items() if name.startswith("protected")]
    figures = {"clean": means["clean"], "random": means["random"], **dict(zip(names, protected, strict=True))}
    print(f"seed {number}: {figures}", file=sys.stderr, flush=True)
    return {name: round(value, 4) for name, value in figures.items()}


def crafted(options: argparse.Namespace, name: str, side: str, number: int, team: Workers) -> Run:
    """One run, made or found in DIR."""
    changes = [f"precision={SIDES[side]}", f"seed={number}", *options.changes]
    place = options.folder / "runs" / f"{name.replace('/', '-')}-{side}-{number}"
    return run.load(run.craft(recipe.load(name, changes), place, team=team))


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description="Noise of the fast mode beside that of the reference mode.")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--data", type=Path, help="a folder of CIFAR-10 as parquet")
    parser.add_argument("--recipes", nargs="+", default=["small/em", "small/em-class"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="the demo's recipe, its shortest form, one seed")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.changes = [f"data.path={options.data}"] if options.data else []
    if options.quick:
        options.recipes, options.seeds = ["demo"], 1
        few = ["data.train_images=60", "data.test_images=30"]
        options.changes = ["method.schedule={max_rounds: 1}", "audit.training.epochs=1", "audit.defenses=[none]", *few]
    options.folder.mkdir(parents=True, exist_ok=True)
    machine.printed(options, measure(options), besides=("json", "quick", "folder", "data", "changes"))


if __name__ == "__main__":
    main()
