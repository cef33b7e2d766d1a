"""File systems that are full, read-only or mounted twice: a clear line, the right exit code, nothing lost."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from archives import archive, photos, protect_command, run, tree
from conftest import unlearn

from unlearn.photos import archive as archives


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 kB, where the test may mount one."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=140k", "tmpfs", place], capture_output=True)
    if done.returncode:
        pytest.skip("no right to mount a small file system")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_stops_cleanly_and_the_next_run_goes_on(tmp_path: Path, key: Path, mounted: Path) -> None:
    photos(tmp_path / "in", 14, (400, 300))
    out = mounted / "out"
    command = ("protect", tmp_path / "in", out, "--key", key, "--state", tmp_path / "state")
    assert unlearn(*command).returncode == 2  # told before anything is written
    settings = archive(tmp_path / "in", out, key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archives, "space_needed", lambda *arguments: 0)
        ended, _ = run(settings)
    assert (ended.exit_code, ended.stopped) == (1, "no space left on the disk of OUT")
    assert 0 < ended.tally.worked["protected"] < 14
    assert not [name for name in os.listdir(out / "a") if name.endswith(".tmp")]
    subprocess.run(["mount", "-o", "remount,size=30m", mounted], check=True)
    assert unlearn("protect", tmp_path / "in", out, "--key", key).returncode == 0
    calm = protect_command(tmp_path)
    assert calm.returncode == 0, calm.stderr
    assert tree(out) == tree(tmp_path / "out")


def test_a_read_only_out(tmp_path: Path, key: Path, mounted: Path) -> None:
    photos(tmp_path / "in", 1)
    subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)
    done = unlearn("protect", tmp_path / "in", mounted / "out", "--key", key)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "no permission" in done.stderr or "read-only" in done.stderr


def test_read_only_originals(tmp_path: Path, key: Path) -> None:
    photos(tmp_path / "in", 2)
    done = subprocess.run(["mount", "--bind", "-o", "ro", tmp_path / "in", tmp_path / "in"], capture_output=True)
    if done.returncode:
        pytest.skip("no right to mount")
    try:
        assert protect_command(tmp_path).returncode == 0
        inside = unlearn("protect", tmp_path / "in", tmp_path / "in" / "out", "--key", key)
        assert inside.returncode == 2
    finally:
        subprocess.run(["umount", "-l", tmp_path / "in"], check=True)


def test_out_under_another_mount_of_photos(tmp_path: Path, key: Path) -> None:
    photos(tmp_path / "in", 1)
    (tmp_path / "other").mkdir()
    if subprocess.run(["mount", "--bind", tmp_path / "in", tmp_path / "other"], capture_output=True).returncode:
        pytest.skip("no right to mount")
    try:
        done = unlearn("protect", tmp_path / "in", tmp_path / "other" / "out", "--key", key)
        assert (done.returncode, "inside PHOTOS" in done.stderr) == (2, True)
        assert not (tmp_path / "in/out").exists()
    finally:
        subprocess.run(["umount", "-l", tmp_path / "other"], check=True)
