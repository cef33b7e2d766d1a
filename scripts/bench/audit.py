"""One cell of an audit: samples and GFLOP a second of training a victim, and the share of the machine's limit.

    python scripts/bench/audit.py [--network resnet18] [--images 512] [--epochs 1] [--rounds 3] [--json FILE]
    python scripts/bench/audit.py --quick

The supervised loop as audits run it, on random images: crop, flip, the forward and backward pass, and the accuracy on
test images after each epoch. Precisions take turns; figures are medians over rounds.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

import machine
import numpy as np
import torch
from machine import PRECISIONS, Spent

from unlearn import training
from unlearn.settings import SGD, Training


def cell(precision: torch.dtype, options: argparse.Namespace) -> Spent:
    """Train one victim and test it after every epoch."""
    generator, spent = np.random.default_rng(0), Spent.none()
    pixels = torch.from_numpy(generator.integers(0, 256, (options.images + options.tests, 3, 32, 32), dtype=np.uint8))
    labels = torch.arange(len(pixels)) % 10
    data = training.Batches(pixels[: options.images], labels[: options.images], torch.arange(options.images))
    settings = Training(epochs=options.epochs, batch_size=options.batch_size, sgd=SGD(lr=0.01))
    test, expected = pixels[options.images :], labels[options.images :]
    with spent.phase("cell"):
        victim = training.build(options.network, 10, (3, 32, 32), 0)
        judged = lambda network: training.accuracy(network, test, expected)  # noqa: E731
        training.train(victim, data, settings, 0, test=judged, precision=precision)
    return spent


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Both precisions in turns."""
    torch.set_num_threads(options.threads)
    forward = machine.gigaflop(training.build(options.network, 10, (3, 32, 32), 0), (3, 32, 32))
    work = options.epochs * (options.images * 3 + options.tests) * forward
    rounds, limits = [], []
    for _ in range(options.rounds):
        limits.append(machine.limits())
        rounds.append({name: cell(kind, options) for name, kind in PRECISIONS.items()})
    found: dict[str, Any] = {"gflop": round(work, 1), "forward_gflop_an_image": round(forward, 3)}
    for name in PRECISIONS:
        wall = statistics.median(one[name].wall["cell"] for one in rounds)
        cpu = statistics.median(one[name].cpu["cell"] for one in rounds)
        limit = max(each[name] for each in limits)
        found[name] = {
            "seconds": round(wall, 2),
            "cpu_seconds": round(cpu, 2),
            "samples_a_second": round(options.epochs * options.images / wall, 1),
            "samples_a_cpu_second": round(options.epochs * options.images / cpu, 1),
            "gflop_a_second": round(work / wall, 1),
            "limit_gflop_a_core_second": limit,
            "share_of_limit": round(work / cpu / limit, 2),
        }
    return found


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description="One cell of an audit beside the machine's limit.")
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--tests", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a small network on few images, one round")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.quick:
        options.network, options.images, options.tests, options.rounds = "small_cnn", 64, 32, 1
    machine.printed(options, measure(options))


if __name__ == "__main__":
    main()
