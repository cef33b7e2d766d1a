"""Crafting EM noise on a CPU: work, seconds, the share of the machine's limit, and the ratio to the public code.

    python scripts/bench/crafting.py --data CIFAR10 [--peer PATH] [--images 256] [--rounds 3] [--json FILE]
    python scripts/bench/crafting.py --quick

PATH is a work tree of HanxunH/Unlearnable-Examples, see peer_em.py. Both sides get the same images, network (ResNet-18
for 32x32, each its own, equal in work), schedule and number of threads, in turns within one run; the ratios are medians
over rounds. Each side has a process of its own, where the other's use of memory makes it neither faster nor slower.
`reference` is this project in float32, `fast` in bfloat16, which --sides reference leaves out on CPUs that only emulate
it. Phases are those of a round: surrogate steps, noise steps with loading and storing, the stop test; the total is all
of it.
"""

import argparse
import json
import multiprocessing
import statistics
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import machine
import numpy as np
import torch
from machine import Spent, now

from unlearn import datasets, training
from unlearn.crafting.problem import ROWS, Problem
from unlearn.crafting.schedule import Schedule, Surrogate
from unlearn.crafting.workers import Workers
from unlearn.datasets import ImageDataset
from unlearn.methods.em import EM
from unlearn.pgd import PGD
from unlearn.progress import Silent
from unlearn.settings import SGD

SIDES = {"reference": torch.float32, "fast": torch.bfloat16}
LIMIT_OF = {"reference": "float32", "fast": "bfloat16", "peer": "float32"}
PHASES = ("noise", "surrogate", "stop test", "total")


class Watch(Silent):
    """Reads the clock where the phases of this project's loop meet."""

    def __init__(self) -> None:
        self.spent, self.since = Spent.none(), now()

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Any]:
        with self.spent.phase("surrogate" if name.endswith("surrogate") else "noise"):
            yield lambda units: None
        self.since = now()

    def log(self, event: str, **facts: Any) -> None:
        if event == "round":
            self.spent.add("stop test", self.since)


def ours(data: ImageDataset, rows: str, side: str, options: argparse.Namespace) -> Spent:
    """One crafting run of this project."""
    watch = Watch()
    row = ROWS[rows](data.labels, np.ones(len(data), dtype=bool))
    surrogate = Surrogate(options.network, SGD())
    team = Workers(torch.device("cpu"), threads=options.threads)
    problem = Problem(data, row, 8 / 255, surrogate, workers=team, progress=watch, precision=SIDES[side])
    with watch.spent.phase("total"):
        EM(steps(rows, options), schedule(options)).craft(problem)
    return watch.spent


def peers(data: ImageDataset, rows: str, options: argparse.Namespace) -> Spent:
    """One crafting run of the public code."""
    import peer_em

    module = sys.modules.get("perturbation") or peer_em.load(
        options.peer, data, options.batch_size, options.loader_workers
    )
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    network = peer_em.resnet18()
    spent: Spent = peer_em.craft(module, network, rows, 1, options.train_steps, steps(rows, options), SGD())[1]
    return spent


def steps(rows: str, options: argparse.Namespace) -> PGD:
    """The published step size; class-wise noise moves one step a round, as published."""
    return PGD(0.8 / 255, options.steps if rows == "sample-wise" else 1)


def schedule(options: argparse.Namespace) -> Schedule:
    """One round, without an early end."""
    size = options.batch_size
    return Schedule(options.train_steps, size, size, stop_error=0.0, min_rounds=1, max_rounds=1)


def work(rows: str, forward: float, options: argparse.Namespace) -> dict[str, float]:
    """GFLOP of each phase."""
    images = options.images
    found = {
        "noise": images * steps(rows, options).steps * 2 * forward,
        "surrogate": options.train_steps * options.batch_size * 3 * forward,
        "stop test": images * forward,
    }
    return found | {"total": sum(found.values())}


def once(rows: str, side: str, options: argparse.Namespace) -> Spent:
    """One crafting run of a side, in its process."""
    data = images(options)
    return peers(data, rows, options) if side == "peer" else ours(data, rows, side, options)


def measure(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """All sides in turns, round after round, each round beginning with another side; the figures after each round."""
    sides = [*options.sides, *(["peer"] if options.peer else [])]
    spawn = multiprocessing.get_context("spawn")
    processes = {side: ProcessPoolExecutor(1, mp_context=spawn) for side in sides}
    found: dict[str, Any] = {rows: [] for rows in options.rows}
    limits = []
    forward = machine.gigaflop(training.build(options.network, 10, (3, 32, 32), 0), (3, 32, 32))
    for round_ in range(options.rounds):
        limits.append(machine.limits())
        turn = sides[round_ % len(sides) :] + sides[: round_ % len(sides)]
        for rows in options.rows:
            one = {side: processes[side].submit(once, rows, side, options).result() for side in turn}
            found[rows].append({side: {"wall": spent.wall, "cpu": spent.cpu} for side, spent in one.items()})
            print(f"round {round_ + 1} {rows}: " + told(one), file=sys.stderr, flush=True)
        limit = {name: max(each[name] for each in limits) for name in limits[0]}
        figures = {rows: table(found[rows], work(rows, forward, options), limit) for rows in options.rows}
        yield {"forward_gflop_an_image": round(forward, 3), "limit_gflop_a_core_second": limit, **figures}


def told(one: dict[str, Spent]) -> str:
    """CPU and wall seconds in a line."""
    return ", ".join(f"{side} {s.cpu['total']:.1f} CPU s / {s.wall['total']:.1f} s" for side, s in one.items())


def table(rounds: list[dict[str, Any]], gigaflop: dict[str, float], limit: dict[str, float]) -> dict[str, Any]:
    """Medians by phase and side, and ratios of the peer's time to ours within each round."""
    out: dict[str, Any] = {}
    for phase in PHASES:
        entry: dict[str, Any] = {"gflop": round(gigaflop[phase], 1)}
        for side in rounds[0]:
            wall, cpu = (statistics.median(one[side][clock][phase] for one in rounds) for clock in ("wall", "cpu"))
            entry[side] = {
                "seconds": round(wall, 2),
                "cpu_seconds": round(cpu, 2),
                "gflop_a_second": round(gigaflop[phase] / wall, 1),
                "share_of_limit": round(gigaflop[phase] / cpu / limit[LIMIT_OF[side]], 2),
            }
        if "peer" in rounds[0]:
            entry["peer_over"] = {side: ratios(rounds, side, phase) for side in rounds[0] if side != "peer"}
        out[phase] = entry
    return out


def ratios(rounds: list[dict[str, Any]], side: str, phase: str) -> dict[str, Any]:
    """The peer's seconds over ours: the median, and every round."""
    found = {}
    for clock in ("cpu", "wall"):
        each = [one["peer"][clock][phase] / one[side][clock][phase] for one in rounds]
        found[clock] = round(statistics.median(each), 2)
        found[f"{clock}_by_round"] = [round(value, 2) for value in each]
    return found


def images(options: argparse.Namespace) -> ImageDataset:
    """The first images of CIFAR-10 from a folder of parquet files, or random ones."""
    if options.data:
        return datasets.limited(datasets.load("parquet", "train", None, path=str(options.data)), options.images, 0)
    pixels = np.random.default_rng(0).integers(0, 256, (options.images, 3, 32, 32), dtype=np.uint8)
    return ImageDataset(pixels, np.arange(options.images) % 10, tuple("0123456789"))


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description="Crafting beside the machine's limit and the public code.")
    parser.add_argument("--data", type=Path, help="a folder of CIFAR-10 as parquet; random images without it")
    parser.add_argument("--peer", type=Path, help="a work tree of HanxunH/Unlearnable-Examples")
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--train-steps", type=int, default=1)
    parser.add_argument("--steps", type=int, default=4, help="of PGD, sample-wise")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--loader-workers", type=int, default=0, help="of the public code, whose default is 8")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", nargs="+", default=["sample-wise", "class-wise"], choices=sorted(ROWS))
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=list(SIDES))
    parser.add_argument("--quick", action="store_true", help="a small network on few random images, one round")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.quick:
        options.network, options.images, options.batch_size, options.rounds = "small_cnn", 64, 32, 1
    settings = {key: value for key, value in vars(options).items() if key not in ("json", "data", "peer", "quick")}
    about = {"settings": settings, "machine": machine.about()}
    for done, figures in enumerate(measure(options), start=1):
        found = about | {"rounds_done": done} | figures
        if options.json:
            options.json.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
