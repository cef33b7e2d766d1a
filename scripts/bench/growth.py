"""How crafting grows: seconds and peak memory with the number of images, and with the number of parquet shards.

    python scripts/bench/growth.py DIR [--images 10000 20000 50000] [--shards 1 2 4] [--network small_cnn] [--json FILE]
    python scripts/bench/growth.py DIR --quick

DIR gets the sets, as in stream.py. Every size is read from one shard, and the first size from each number of shards.
Every run has a process of its own; the first one of each set decodes it, and counts only where it is the only one. All
may hold `--held` bytes of images at most, so that sets are mapped. Ratios are to the first size; seconds are of this
machine, memory is beyond that of all imports.
"""

import argparse
import os
import statistics
import sys
from pathlib import Path
from typing import Any

import machine
import stream


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All sizes, then all numbers of shards, with the ratios to the first size."""
    least = options.images[0]
    sizes = [entry(options, images, 1) for images in options.images]
    shards = [sizes[0] if count == 1 else entry(options, least, count) for count in options.shards]
    return {
        "sizes": [each | ratio(each, sizes[0]) for each in sizes],
        "shards": [each | ratio(each, sizes[0]) for each in shards],
        "equal_bytes": len({each["sha256"] for each in shards}) == 1,
    }


def entry(options: argparse.Namespace, images: int, shards: int) -> dict[str, Any]:
    """Medians over the rounds of one set."""
    folder = options.folder / f"set-{images}-{shards}"
    stream.generate(folder / "data", images, options.size, -(-images // shards))
    decoding = stream.apart(folder, options.held, images, options)
    more = options.rounds if options.rounds > 1 else 0
    rounds = [stream.apart(folder, options.held, images, options) for _ in range(more)] or [decoding]
    found = {
        "images": images,
        "shards": shards,
        "mapped": decoding["mapped"],
        "decoding_seconds": round(decoding["seconds"]["open"], 2),
        "craft_seconds": round(statistics.median(each["seconds"]["craft"] for each in rounds), 2),
        "craft_cpu_seconds": round(statistics.median(each["cpu_seconds"]["craft"] for each in rounds), 2),
        "peak_mb": statistics.median(each["peak_mb"] for each in rounds),
        "sha256": decoding["sha256"],
    }
    print("{images} images, {shards} shards: {craft_seconds} s, {peak_mb} MB".format(**found), file=sys.stderr)
    return found


def ratio(entry: dict[str, Any], first: dict[str, Any]) -> dict[str, float]:
    """Images, seconds and memory over those of the first size."""
    names = ("images", "decoding_seconds", "craft_seconds", "craft_cpu_seconds", "peak_mb")
    return {f"{name}_ratio": round(entry[name] / max(1e-9, first[name]), 2) for name in names}


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description="Growth with the number of images and shards.")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 20_000, 50_000])
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--network", default="small_cnn")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--held", type=int, default=10_000_000, help="bytes of images that may be in memory")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--outer", type=int, default=2, help="rounds of EM in each run")
    parser.add_argument("--steps", type=int, default=2, help="of PGD")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="few images, one round")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.release = False
    if options.quick:
        options.images, options.shards, options.rounds, options.outer = [60, 120], [1, 2], 1, 1
        options.network, options.held = "linear", 1000
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    options.folder.mkdir(parents=True, exist_ok=True)
    machine.printed(options, measure(options), besides=("json", "quick", "folder", "release"))


if __name__ == "__main__":
    main()
