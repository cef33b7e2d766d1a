"""Crafting of a set that is larger than memory may hold, beside the same set in memory: rate, peak memory, growth.

    python scripts/bench/stream.py DIR [--images 4096] [--size 224] [--rounds 3] [--release] [--json FILE]
    python scripts/bench/stream.py DIR --quick

DIR gets a generated set of JPEG files in parquet shards, about 20 KB an image of 224x224, and the mapped side's files:
images, noise and a copy of it, each as large as the decoded set. Both sides craft the same EM noise with a linear
surrogate, which computes so little that reading and storing show most, in turns and in processes of their own. `mapped`
may hold a quarter of the decoded set, `resident` all of it. Rates are images times rounds of EM a second; memory is the
peak of anonymous pages beyond those after all imports, so that no page of a file counts.
"""

import argparse
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import machine
import numpy as np
from PIL import Image

SIDES = ("mapped", "resident")
CLASSES, SHARD, ROWS = 10, 256, 64


def generate(folder: Path, images: int, size: int, shard: int = SHARD) -> None:
    """Parquet files of `shard` smooth random pictures each, as photos are; left alone where they are there."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if folder.exists():
        return
    folder.mkdir(parents=True)
    generator, shards = np.random.default_rng(0), -(-images // shard)
    for number in range(shards):
        count = min(shard, images - number * shard)
        pictures = [{"bytes": picture(generator, size), "path": None} for _ in range(count)]
        labels = [str(i % CLASSES) for i in range(count)]
        table = pa.table({"image": pictures, "label": labels})
        pq.write_table(table, folder / f"train-{number:05d}-of-{shards:05d}.parquet", row_group_size=ROWS)


def picture(generator: np.random.Generator, size: int) -> bytes:
    """A JPEG file of a few soft colors."""
    coarse = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def one(folder: Path, cache: Path, held: int, options: argparse.Namespace) -> dict[str, Any]:
    """One run with `held` bytes of images in memory at most: seconds of each phase, peak memory, the noise's hash."""
    import pyarrow.parquet  # noqa: F401 (its memory is no part of the run)
    import torch

    from unlearn import files, memory, publish, recipe, run
    from unlearn.crafting.workers import Workers
    from unlearn.methods import em  # noqa: F401

    settings = recipe.load("em", changes(folder, cache, held, options))
    team, out = Workers(torch.device("cpu"), threads=options.threads), folder.parent / f"run-{held}"
    shutil.rmtree(out, ignore_errors=True)
    before, spent = memory.anonymous() or 0, machine.Spent.none()
    with memory.Peak() as peak:
        with spent.phase("open"):
            data = run.open_data(settings)
        count, mapped = len(data), isinstance(data.images, np.memmap)
        del data
        since = machine.now()
        run.craft(settings, out, team=team)
        spent.add("open and craft", since)
        if options.release:
            with spent.phase("release"):
                publish.release(run.load(out), out / "release", test=False)
    worked = json.loads((out / run.LOG).read_text().splitlines()[-1])
    found = {
        "images": count,
        "mapped": mapped,
        "seconds": spent.wall | {"craft": worked["seconds"]},
        "cpu_seconds": spent.cpu | {"craft": worked["cpu_seconds"]},
        "peak_mb": round(((peak.bytes or 0) - before) / 1e6, 1),
        "sha256": files.sha256(out / run.PERTURBATION),
    }
    shutil.rmtree(out)
    return found


def changes(folder: Path, cache: Path, held: int, options: argparse.Namespace) -> list[str]:
    """Overrides of recipes/em.yaml."""
    schedule = f"max_rounds: {options.outer}, min_rounds: {options.outer}, stop_error: 0"
    schedule += ", train_steps: 10, batch_size: 128, pgd_batch_size: 512"
    return [
        "~data.expects",
        "data.source=parquet",
        f"data.path={folder}",
        "~data.test",
        f"data.memory={held}",
        f"data.cache={cache}",
        f"surrogate.network={options.network}",
        f"method.pgd.steps={options.steps}",
        f"method.schedule={{{schedule}}}",
        "precision=float32",
    ]


def bound(side: str, images: int, options: argparse.Namespace) -> int:
    """Bytes of images that a side may hold: a quarter of the decoded set, or all of it."""
    return images * 3 * options.size**2 // 4 if side == "mapped" else 2**60


def apart(folder: Path, held: int, images: int, options: argparse.Namespace) -> dict[str, Any]:
    """`one` in a process of its own."""
    command = [sys.executable, __file__, str(folder), "--one", str(held), "--images", str(images)]
    for name in ("size", "steps", "outer", "threads", "network"):
        command += [f"--{name}", str(getattr(options, name))]
    command += ["--release"] if options.release else []
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Both sides in turns, each round beginning with another side, then half the set mapped."""
    whole, half = options.folder / f"set-{options.images}", options.folder / f"set-{options.images // 2}"
    for folder, count in ((whole, options.images), (half, options.images // 2)):
        generate(folder / "data", count, options.size)
    held = {side: bound(side, options.images, options) for side in SIDES}
    warmed = options.rounds > 1
    firsts = [apart(whole, held["mapped"], options.images, options)] if warmed else []  # decodes into the cache
    rounds: list[dict[str, Any]] = []
    for round_ in range(options.rounds):
        turn = SIDES[round_ % 2 :] + SIDES[: round_ % 2]
        rounds.append({side: apart(whole, held[side], options.images, options) for side in turn})
        print(f"round {round_ + 1}: " + ", ".join(map(told, rounds[-1].items())), file=sys.stderr, flush=True)
    least = bound("mapped", options.images // 2, options)
    halves = [apart(half, least, options.images // 2, options) for _ in range(options.rounds + warmed)][warmed:]
    everything = [*firsts, *(each[side] for each in rounds for side in SIDES)]
    first = everything[0]
    return {
        "images": first["images"],
        "decoded_mb": round(options.images * 3 * options.size**2 / 1e6, 1),
        "equal_bytes": len({each["sha256"] for each in everything}) == 1,
        "first_open_seconds": round(first["seconds"]["open"], 2),
        **{side: table([each[side] for each in rounds], options) for side in SIDES},
        "mapped_over_resident": {phase: ratios(rounds, phase) for phase in first["seconds"]},
        "peak_mb_of_half_mapped": statistics.median(each["peak_mb"] for each in halves),
    }


def told(item: tuple[str, dict[str, Any]]) -> str:
    """A side's craft in a line."""
    side, found = item
    return f"{side} {found['seconds']['craft']:.1f} s, {found['peak_mb']:.0f} MB"


def table(rounds: list[dict[str, Any]], options: argparse.Namespace) -> dict[str, Any]:
    """Medians over the rounds of one side."""
    seconds = {phase: statistics.median(each["seconds"][phase] for each in rounds) for phase in rounds[0]["seconds"]}
    return {
        "mapped": rounds[0]["mapped"],
        "images_a_second": round(options.images * options.outer / seconds["craft"], 1),
        "seconds": {phase: round(value, 2) for phase, value in seconds.items()},
        "peak_mb": statistics.median(each["peak_mb"] for each in rounds),
    }


def ratios(rounds: list[dict[str, Any]], phase: str) -> dict[str, Any]:
    """The mapped side's rate over the resident one's: the median, and every round."""
    found: dict[str, Any] = {}
    for clock in ("seconds", "cpu_seconds"):
        each = [one["resident"][clock][phase] / max(1e-9, one["mapped"][clock][phase]) for one in rounds]
        found[clock] = round(statistics.median(each), 2)
        found[f"{clock}_by_round"] = [round(value, 2) for value in each]
    return found


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description="Sets larger than memory beside sets in memory.")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--images", type=int, default=4096)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--outer", type=int, default=2, help="rounds of EM in each run")
    parser.add_argument("--steps", type=int, default=5, help="of PGD")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--release", action="store_true", help="also write and verify a release in each run")
    parser.add_argument("--quick", action="store_true", help="few small images, one round")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--network", default="linear")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(one(options.folder / "data", options.folder / "cache", options.one, options)))
        return
    if options.quick:
        options.images, options.size, options.rounds, options.outer, options.steps = 60, 32, 1, 1, 1
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    options.folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    found = measure(options)
    found["bench_seconds"] = round(time.monotonic() - started)
    machine.printed(options, found, besides=("json", "quick", "folder", "one"))


if __name__ == "__main__":
    main()
