"""How crafting grows with the number of images: seconds of two EM rounds, and peak memory beyond the import of torch.

    python scripts/bench/growth.py [--images 2500 5000 10000] [--network small_cnn] [--json FILE]

Each size runs in a process of its own; the ratio to the first size is what counts, seconds are of this machine.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil


def measure(images: int, network: str, steps: int) -> dict[str, Any]:
    """Two rounds on `images` random images of 3x32x32; peak resident memory beyond the import of torch."""
    import torch

    from unlearn.crafting import workers
    from unlearn.crafting.problem import ROWS, Problem
    from unlearn.crafting.schedule import Schedule, Surrogate
    from unlearn.datasets import ImageDataset
    from unlearn.methods.em import EM
    from unlearn.pgd import PGD
    from unlearn.settings import SGD

    before = psutil.Process().memory_info().rss
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (images, 3, 32, 32), dtype=np.uint8)
    data = ImageDataset(pixels, np.arange(images) % 10, tuple("0123456789"))
    row = ROWS["sample-wise"](data.labels, np.ones(images, dtype=bool))
    team = workers.Workers(torch.device("cpu"), threads=psutil.cpu_count() or 1)
    setting = Problem(data, row, 8 / 255, Surrogate(network, SGD(lr=0.05, clip=1.0)), workers=team)
    schedule = Schedule(train_steps=2, batch_size=128, pgd_batch_size=512, min_rounds=2, max_rounds=2)
    started = time.monotonic()
    made = EM(PGD(1.6 / 255, steps), schedule).craft(setting)
    seconds = time.monotonic() - started
    made.apply_pixels(data.images, np.arange(images))
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"images": images, "seconds": round(seconds, 2), "peak_mb": round((peak - before) / 1e6)}


def main() -> None:
    """Run every size in a process of its own and print the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, nargs="+", default=[2500, 5000, 10000])
    parser.add_argument("--network", default="small_cnn")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", type=int)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.network, arguments.steps)))
        return
    found = []
    for images in arguments.images:
        command = [sys.executable, __file__, "--one", str(images), "--network", arguments.network]
        command += ["--steps", str(arguments.steps)]
        found.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        found[-1]["ratio"] = round(found[-1]["seconds"] / found[0]["seconds"], 2)
        print("{images:>7} images  {seconds:>8.2f} s  x{ratio:<5} peak {peak_mb} MB beyond torch".format(**found[-1]))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
