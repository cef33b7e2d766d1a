"""Trainings of an audit: side by side on one thread each, as audits run them, against one after the other on all cores.

    python scripts/bench/side_by_side.py [--network small_cnn] [--trainings 4] [--rounds 3] [--json FILE]
    python scripts/bench/side_by_side.py --quick

Random images, the supervised loop of audits; both orders take turns within a round, ratios are medians over rounds.
"""

import argparse
import os
import statistics
from functools import partial
from pathlib import Path
from typing import Any

import machine
import numpy as np
import torch
from machine import Spent

from unlearn import training
from unlearn.audit import side_by_side
from unlearn.crafting.workers import alone
from unlearn.progress import Advance, Silent
from unlearn.settings import SGD, Training
from unlearn.signals import StopRequest


def one(data: training.Batches, settings: Training, network: str, seed: int, advance: Advance) -> None:
    """Train one victim and test it on its own images after every epoch, the cost of a test set of that size."""
    victim = training.build(network, 10, (3, 32, 32), seed)
    judged = lambda trained: training.accuracy(trained, data.images, data.labels)  # noqa: E731
    training.train(victim, data, settings, seed, test=judged)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of both orders, and how many times as long one after the other takes."""
    pixels = np.random.default_rng(0).integers(0, 256, (options.images, 3, 32, 32), dtype=np.uint8)
    count = torch.arange(options.images)
    data = training.Batches(torch.from_numpy(pixels), count % 10, count)
    settings = Training(epochs=1, batch_size=options.batch_size, sgd=SGD(lr=0.01), augment=("flip",))
    work = [partial(one, data, settings, options.network, seed) for seed in range(options.trainings)]
    rounds = [_round(work, options.threads) for _ in range(options.rounds)]
    wall = {name: statistics.median(spent.wall[name] for spent in rounds) for name in rounds[0].wall}
    ratios = [round(spent.wall["one after the other"] / spent.wall["side by side"], 2) for spent in rounds]
    seconds = {name: round(value, 2) for name, value in wall.items()}
    return {"seconds": seconds, "ratio": statistics.median(ratios), "ratio_by_round": ratios}


def _round(work: list[side_by_side.Training], threads: int) -> Spent:
    spent = Spent.none()
    with spent.phase("one after the other"):
        torch.set_num_threads(threads)
        for training_ in work:
            training_(lambda epochs: None)
    with spent.phase("side by side"):
        side_by_side.run(work, 1, alone(threads=threads), Silent(), StopRequest())
    return spent


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description="An audit's trainings side by side and one after the other.")
    parser.add_argument("--network", default="small_cnn")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--trainings", type=int, default=4)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="few images, two trainings, one round")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.quick:
        options.images, options.trainings, options.rounds = 64, 2, 1
    machine.printed(options, measure(options))


if __name__ == "__main__":
    main()
