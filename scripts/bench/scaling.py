"""Crafting over processes on one CPU: one against two, the same bytes, and what they exchange.

    python scripts/bench/scaling.py [--network resnet18] [--images 512] [--steps 4] [--rounds 3] [--json FILE]
    python scripts/bench/scaling.py --quick

Each process has one thread, so one process is one core. `wall` is the ratio of wall seconds, which needs two idle
cores. `cpu` is the ratio of one process's CPU seconds to those of the busiest of several: the speed-up where each
process has a core to itself, whatever else the machine does; waiting for each other is not in it. Exchange: int8 noise
once a round and one number a batch.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np


def child(options: argparse.Namespace) -> None:
    """Craft in this process, one of several, and leave its figures in the folder."""
    import machine
    import torch

    from unlearn.crafting import workers
    from unlearn.crafting.problem import ROWS, Problem
    from unlearn.crafting.schedule import Schedule, Surrogate
    from unlearn.datasets import ImageDataset
    from unlearn.methods.em import EM
    from unlearn.pgd import PGD

    team = workers.launch(device="cpu")
    pixels = np.random.default_rng(0).integers(0, 256, (options.images, 3, 32, 32), dtype=np.uint8)
    data = ImageDataset(pixels, np.arange(options.images) % 10, tuple("0123456789"))
    row = ROWS["sample-wise"](data.labels, np.ones(len(data), dtype=bool))
    team = workers.Workers(team.device, team.rank, team.world, threads=1)
    kind = machine.PRECISIONS[options.precision]
    problem = Problem(data, row, 8 / 255, Surrogate(options.network), workers=team, precision=kind)
    schedule = Schedule(1, options.batch_size, options.batch_size, stop_error=0.0, max_rounds=1)
    torch.set_num_threads(1)
    team.barrier()
    spent = machine.Spent.none()
    with spent.phase("craft"):
        made = EM(PGD(0.8 / 255, options.steps), schedule).craft(problem)
    digest = hashlib.sha256(made.apply_pixels(data.images, np.arange(len(data))).tobytes()).hexdigest()
    found = {"world": team.world, "wall": spent.wall["craft"], "cpu": spent.cpu["craft"], "sha256": digest}
    (options.child / f"{team.rank}.json").write_text(json.dumps(found))


def run(processes: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The figures of each of so many processes."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        command += [__file__, "--child", folder, "--network", options.network, "--precision", options.precision]
        for name in ("images", "steps", "batch_size"):
            command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
        subprocess.run(command, check=True, capture_output=True, text=True)
        return [json.loads(path.read_text()) for path in sorted(Path(folder).glob("*.json"))]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """One process and several in turns."""
    rounds = [{n: run(n, options) for n in (1, options.processes)} for _ in range(options.rounds)]
    assert all(len(one[n]) == n == one[n][0]["world"] for one in rounds for n in one)
    ratios: dict[str, Any] = {}
    for clock in ("wall", "cpu"):
        each = [max(p[clock] for p in one[1]) / max(p[clock] for p in one[options.processes]) for one in rounds]
        ratios[clock] = round(statistics.median(each), 2)
        ratios[f"{clock}_by_round"] = [round(value, 2) for value in each]
    return {
        "speed_up": ratios,
        "equal_bytes": len({p["sha256"] for one in rounds for each in one.values() for p in each}) == 1,
        "exchanged_bytes_a_round": options.images * 3 * 32 * 32,
        "cpu_seconds": [{str(n): [round(p["cpu"], 2) for p in one[n]] for n in one} for one in rounds],
    }


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description="Crafting over processes on one CPU.")
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="a small network on few images, one round")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.child:
        child(options)
        return
    if options.quick:
        options.network, options.images, options.batch_size, options.rounds = "small_cnn", 128, 32, 1
    import machine

    machine.printed(options, measure(options), ("json", "quick", "child"))


if __name__ == "__main__":
    main()
