"""Start-up: wall and CPU seconds of the light commands beside a bare interpreter, and what each of them imports.

    python scripts/bench/startup.py [--rounds 9] [--json FILE]
    python scripts/bench/startup.py --quick

Commands take turns, each in a process of its own; figures are medians over rounds, after one that fills the caches.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import machine
from machine import Spent

BARE = "bare interpreter"
HEAVY = ("torch", "torchvision", "datasets", "accelerate", "pyarrow", "numpy", "PIL")
ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def commands(recipe: Path) -> dict[str, list[str]]:
    """Arguments of the interpreter by name."""
    light = (["--help"], ["ls"], ["ls", "methods"], ["validate", str(recipe)], ["show", "em"])
    named = {" ".join(["unlearn", *(Path(a).name for a in each)]): ["-m", "unlearn", *each] for each in light}
    return {BARE: ["-c", "pass"], **named}


def started(*arguments: str) -> str:
    """Run an interpreter to its end; what it wrote to stderr."""
    done = subprocess.run([sys.executable, *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    return done.stderr


def imported(arguments: list[str]) -> dict[str, Any]:
    """How many modules a command imports, and which of them are heavy."""
    lines = [line for line in started("-X", "importtime", *arguments).splitlines() if line.startswith("import time:")]
    modules = {line.rpartition("|")[2].strip() for line in lines[1:]}
    return {"modules": len(modules), "heavy": sorted(modules & set(HEAVY))}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All commands in turns."""
    timed = commands(options.recipe)
    about = {name: imported(arguments) for name, arguments in timed.items()}  # fills the caches too
    rounds = []
    for _ in range(options.rounds):
        spent = Spent.none()
        for name, arguments in timed.items():
            with spent.phase(name):
                started(*arguments)
        rounds.append(spent)
    return {name: _figures(name, rounds) | about[name] for name in timed}


def _figures(name: str, rounds: list[Spent]) -> dict[str, Any]:
    wall, cpu = [one.wall[name] for one in rounds], [one.cpu[name] for one in rounds]
    more = statistics.median(one.wall[name] - one.wall[BARE] for one in rounds)
    return {
        "seconds": round(statistics.median(wall), 3),
        "best_seconds": round(min(wall), 3),
        "cpu_seconds": round(statistics.median(cpu), 3),
        "seconds_beyond_bare": round(more, 3),
    }


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description="Light commands beside a bare interpreter.")
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes" / "em.yaml", help="the file to validate")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.quick:
        options.rounds = 1
    machine.printed(options, measure(options), ("json", "quick", "recipe"))


if __name__ == "__main__":
    main()
