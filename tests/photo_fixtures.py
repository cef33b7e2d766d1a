"""Fixtures that several tests of photo archives share."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "photos"))
from archives import archive, in_this_process, photos, saved_key

from unlearn.photos import archive as archives
from unlearn.photos import keys
from unlearn.photos.jobs import Setup
from unlearn.photos.settings import Archive

PROCESSES = ("mirrored", "order", "stop_request", "equal_files", "first_of_equals")


@pytest.fixture
def few_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting workers takes half a second; only the tests that are about them do it."""
    if not any(word in request.node.name for word in PROCESSES):
        monkeypatch.setattr(archives.pool, "outcomes", in_this_process)


@pytest.fixture
def settings(tmp_path: Path) -> Archive:
    """An archive of six small photos with one key."""
    return archive(photos(tmp_path / "in"), tmp_path / "out", saved_key(tmp_path / "key.safetensors"))


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    """Two empty folders, `in` and `out`, and a key."""
    path = saved_key(tmp_path / "key.safetensors")
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    known = {"everyone": (str(path), keys.load(path).id)}
    return Setup(os.fsencode(tmp_path / "in"), os.fsencode(tmp_path / "out"), known)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The file of a key."""
    return saved_key(tmp_path / "key.safetensors")
