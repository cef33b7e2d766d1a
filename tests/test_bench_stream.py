"""The benches of sets larger than memory and of growth run and say what they should; never a time."""

import json
import subprocess
import sys
from pathlib import Path

from conftest import ROOT, SOURCE_TREE


def test_quick(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "bench" / "stream.py"), str(tmp_path / "sets"), "--quick"]
    command += ["--json", str(tmp_path / "bench.json")]
    done = subprocess.run(command, capture_output=True, text=True, env=SOURCE_TREE, timeout=400)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "bench.json").read_text())
    assert json.loads(done.stdout) == found
    assert found["equal_bytes"]
    assert found["images"] == found["settings"]["images"] == 60
    assert found["decoded_mb"] == round(60 * 3 * 32 * 32 / 1e6, 1)
    phases = {"open", "open and craft", "craft"}
    for side in ("mapped", "resident"):
        assert found[side]["mapped"] == (side == "mapped")
        assert found[side]["images_a_second"] > 0
        assert set(found[side]["seconds"]) == phases
    assert set(found["mapped_over_resident"]) == phases
    assert all(len(each["seconds_by_round"]) == 1 for each in found["mapped_over_resident"].values())
    assert "peak_mb_of_half_mapped" in found


def test_quick_growth(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "bench" / "growth.py"), str(tmp_path / "sets"), "--quick"]
    command += ["--json", str(tmp_path / "bench.json")]
    done = subprocess.run(command, capture_output=True, text=True, env=SOURCE_TREE, timeout=400)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "bench.json").read_text())
    assert json.loads(done.stdout) == found
    assert [(each["images"], each["shards"]) for each in found["sizes"]] == [(60, 1), (120, 1)]
    assert [(each["images"], each["shards"]) for each in found["shards"]] == [(60, 1), (60, 2)]
    assert all(each["mapped"] for each in found["sizes"] + found["shards"])
    assert found["equal_bytes"]
    assert found["sizes"][1]["images_ratio"] == 2.0
    assert len(list((tmp_path / "sets" / "set-60-2" / "data").iterdir())) == 2
