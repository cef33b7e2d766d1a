"""Runs that are killed at any moment end, once resumed, in the tree of an undisturbed run."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from archives import archive, photos, run, saved_key, tree
from conftest import ROOT, SOURCE_TREE

from unlearn.photos import manifest, placing
from unlearn.photos.settings import Archive


@pytest.fixture
def settings(tmp_path: Path) -> Archive:
    return archive(photos(tmp_path / "in"), tmp_path / "out", saved_key(tmp_path / "key.safetensors"))


KILLED = """
import sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
from pathlib import Path
from archives import archive, run
if __name__ == "__main__":
    run(archive(Path(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5])))
"""


def killed_and_resumed(settings: Archive, tmp_path: Path, delays: list[float]) -> int:
    """Kill a run after each of the delays, then let it end; how many kills hit a running one."""
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    key = next(iter(settings.keys.values()))[0]
    command = [sys.executable, script, ROOT, ROOT / "tests/photos", settings.photos, settings.out, key]
    hits = 0
    for delay in delays:
        process = subprocess.Popen(list(map(str, command)), env=SOURCE_TREE, start_new_session=True)
        time.sleep(delay)
        hits += process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(list(map(str, command)), env=SOURCE_TREE, check=True)
    return hits


def check_kills(settings: Archive, tmp_path: Path, delays: list[float], least: int) -> None:
    before = tree(settings.photos)
    undisturbed = dataclasses.replace(settings, out=tmp_path / "calm", state=tmp_path / "calm/.unlearn")
    ended, _ = run(undisturbed)
    assert ended.exit_code == 0
    assert killed_and_resumed(settings, tmp_path, delays) >= least
    assert tree(settings.out) == tree(undisturbed.out)
    assert (settings.state / manifest.EXPORT).read_bytes() == (undisturbed.state / manifest.EXPORT).read_bytes()
    assert tree(settings.photos) == before
    assert not [path for path in settings.out.rglob("*") if placing.is_temporary(path.name.encode())]


def test_kills_lose_nothing(settings: Archive, tmp_path: Path) -> None:
    photos(settings.photos, 40, (400, 300))
    check_kills(settings, tmp_path, [0.5, 0.8, 0.7], least=1)


@pytest.mark.slow
def test_twenty_kills_of_a_run_over_five_hundred_photos(settings: Archive, tmp_path: Path) -> None:
    import random

    photos(settings.photos, 500, (800, 600))
    chosen = random.Random(0)
    check_kills(settings, tmp_path, [chosen.uniform(0.3, 2.5) for _ in range(20)], least=10)
