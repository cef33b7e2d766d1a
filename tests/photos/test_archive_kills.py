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
from marked_faces import Marked, save, saved_face_key, scene

from unlearn.photos import manifest, placing
from unlearn.photos.settings import Archive


@pytest.fixture
def settings(tmp_path: Path) -> Archive:
    return archive(photos(tmp_path / "in"), tmp_path / "out", saved_key(tmp_path / "key.safetensors"))


@pytest.fixture
def faces(tmp_path: Path) -> Archive:
    """Three photos of a face, JPEG and PNG, and one of none; a key for faces."""
    for number in range(4):
        mark_faces(tmp_path / "in", number)
    return with_faces(tmp_path / "in", tmp_path / "out", saved_face_key(tmp_path / "key.safetensors"))


def mark_faces(root: Path, number: int, size: tuple[int, int] = (400, 300)) -> None:
    """A photo with one or two faces; every fourth shows none."""
    one, other = ((150.0, 110.0), (230.0, 116.0)), ((40.0, 200.0), (80.0, 200.0))
    eyes = [[], [one], [one, other], [other]][number % 4]
    options = {} if number % 5 == 4 else {"quality": 92}
    save(
        root / f"{'ab'[number % 2]}/{number:03}.{'jpg' if options else 'png'}",
        scene(eyes, size, seed=number),
        **options,
    )


def with_faces(photos: Path, out: Path, key: Path) -> Archive:
    """Settings of a run with one key for everybody's faces."""
    settings = archive(photos, out, key, finder=Marked(), threats=("matching",))
    return dataclasses.replace(settings, keys={}, face_keys={"everyone": tuple(settings.keys.values())})


KILLED = """
import sys
sys.path[:0] = [sys.argv[1], sys.argv[2], sys.argv[3]]
from pathlib import Path
from archives import run
from test_archive_kills import archive, with_faces
if __name__ == "__main__":
    make = with_faces if sys.argv[7] else archive
    run(make(Path(sys.argv[4]), Path(sys.argv[5]), Path(sys.argv[6])))
"""


def killed_and_resumed(settings: Archive, tmp_path: Path, delays: list[float]) -> int:
    """Kill a run after each of the delays, then let it end; how many kills hit a running one."""
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    (key, _), *_ = (*settings.keys.values(), *settings.face_keys.get("everyone", ()))
    roots = [ROOT, ROOT / "tests", ROOT / "tests/photos"]
    command = [sys.executable, script, *roots, settings.photos, settings.out, key, "faces" * bool(settings.face_keys)]
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


def test_kills_lose_no_face(faces: Archive, tmp_path: Path) -> None:
    for number in range(4, 40):
        mark_faces(faces.photos, number)
    check_kills(faces, tmp_path, [0.9, 1.2, 1.0], least=1)


@pytest.mark.slow
def test_ten_kills_of_a_run_over_three_hundred_photos_with_faces(faces: Archive, tmp_path: Path) -> None:
    import random

    for number in range(4, 300):
        mark_faces(faces.photos, number, (800, 600))
    chosen = random.Random(0)
    check_kills(faces, tmp_path, [chosen.uniform(0.5, 4.0) for _ in range(10)], least=5)
