"""The photo bench runs and says what it should; never a time."""

import json
import subprocess
import sys
from pathlib import Path

from conftest import ROOT, SOURCE_TREE


def test_quick(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "bench" / "photos.py"), "--quick", "--verify", "none"]
    command += ["--processes", "2", "--json", str(tmp_path / "bench.json")]
    done = subprocess.run(command, capture_output=True, text=True, env=SOURCE_TREE, timeout=200)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "bench.json").read_text())
    assert json.loads(done.stdout) == found
    assert found["files"] == 10
    assert found["processes"] == 2
    assert found["bare_photos_per_second"] > 0
    assert 0 < found["share_of_bare"]["none"] < 2
    assert found["linear"]["photos"] == 2
