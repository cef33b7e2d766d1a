"""Runs a bench in its shortest form."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from conftest import ROOT, SOURCE_TREE


def quick(name: str, folder: Path, *more: str) -> dict[str, Any]:
    """What scripts/bench/NAME.py writes and prints with --quick."""
    command = [sys.executable, str(ROOT / "scripts" / "bench" / f"{name}.py"), "--quick", *more]
    command += ["--json", str(folder / "bench.json")]
    done = subprocess.run(command, capture_output=True, text=True, env=SOURCE_TREE, timeout=400)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((folder / "bench.json").read_text())
    assert json.loads(done.stdout) == found
    return found
