"""Small data sets and helpers that all rooms' tests share."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import forking
import numpy as np
import once
import pytest
import torch

from unlearn.crafting.workers import Workers
from unlearn.datasets import ImageDataset

pytest_plugins = ["photo_fixtures"]
ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("UNLEARN_SHARED", ROOT.parent / "shared")) / "data"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing connects anywhere unless the user asked for it."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: object) -> None:
        if self.family == socket.AF_UNIX or (isinstance(address, tuple) and address[0] in ("127.0.0.1", "::1")):
            return real(self, address)
        raise AssertionError(f"a test tried to connect to {address}")

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(autouse=True, scope="session")
def place_of_figures(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Test processes have a folder each in one of the whole run."""
    mine = tmp_path_factory.getbasetemp()
    once.PLACE = mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine


@pytest.fixture(autouse=True)
def same_threads() -> object:
    """Crafting pins threads; a test must not leave that to the next one."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def make_dataset(
    samples: int = 60, classes: int = 3, size: int = 16, channels: int = 3, seed: int = 0, contrast: int = 60
) -> ImageDataset:
    """Images whose class is a bright quadrant among noise: learnable in seconds."""
    generator = np.random.default_rng(seed)
    labels = np.arange(samples, dtype=np.int64) % classes
    images = generator.integers(60, 120, (samples, channels, size, size), dtype=np.uint8)
    half = size // 2
    corners = [
        (slice(0, half), slice(0, half)),
        (slice(half, None), slice(half, None)),
        (slice(0, half), slice(half, None)),
    ]
    for i, label in enumerate(labels):
        rows, columns = corners[label % 3]
        images[i, :, rows, columns] += contrast + 10 * np.uint8(label // 3)
    return ImageDataset(images, labels, tuple(f"class{c}" for c in range(classes)))


@pytest.fixture
def dataset() -> ImageDataset:
    return make_dataset()


SOURCE_TREE = {**os.environ, "PYTHONPATH": str(ROOT)}


def unlearn(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own; a new one where the environment is given, which imports may read."""
    words, env, folder = [str(word) for word in arguments], {**SOURCE_TREE, **environment}, cwd or Path.cwd()
    if not environment:
        return forking.run("unlearn", words, folder, env, timeout=500)
    command = [sys.executable, "-m", "unlearn", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, timeout=500)


# Seconds of crafting: few images, few rounds, tiny steps.
FAST = (
    "data.train_samples=96",
    "method.schedule.max_rounds=3",
    "method.schedule.train_steps=4",
    "method.schedule.batch_size=32",
    "method.schedule.pgd_batch_size=40",
    "method.schedule.stop_error=0",
)


def stopping(question: int) -> Workers:
    """Workers who are asked to stop at the given question."""
    asked = 0

    class Asking(Workers):
        def stop_requested(self) -> bool:
            nonlocal asked
            asked += 1
            return asked == question

    return Asking(torch.device("cpu"))
