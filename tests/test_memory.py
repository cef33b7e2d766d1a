"""Sizes as people write them, the peak of memory, scratch arrays and files of tensors."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from unlearn import memory, placing, quantities, streamed, tensor_files, training
from unlearn.errors import OutputError
from unlearn.streamed import Streamed

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory is anonymous")


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GB", 2 * 10**9), ("1.5 GiB", 3 * 2**29), ("500mb", 5 * 10**8), ("20KB", 20_000), (4096, 4096), ("7B", 7)],
)
def test_sizes(text: object, size: int) -> None:
    assert quantities.parse_size(text) == size
    assert quantities.parse_size(quantities.size_text(size)) == size


PEAKS = """
import sys
from pathlib import Path
import numpy as np
from unlearn import memory, placing

size, before = 60_000_000, memory.anonymous()
with placing.bounded(size - 1, Path(sys.argv[1])), memory.Peak() as mapped:
    kept = placing.zeros((size,), np.uint8)
    kept[:] = 1
with memory.Peak() as resident:
    held = np.ones(size, np.uint8)
print(mapped.bytes - before, resident.bytes - before)
"""


@LINUX
def test_the_peak_counts_copies_and_no_maps(tmp_path: Path) -> None:
    """In a process of its own: an allocator that has been used hands out pages that are resident already."""
    done = subprocess.run([sys.executable, "-c", PEAKS, tmp_path], check=True, capture_output=True, text=True)
    mapped, resident = map(int, done.stdout.split())
    assert mapped < 60_000_000 / 4
    assert resident > 60_000_000 / 2


def test_what_is_not_told_is_not_guessed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "STATUS", tmp_path / "none")
    with memory.Peak() as peak:
        pass
    assert memory.anonymous() is None
    assert peak.megabytes is None


@pytest.mark.parametrize(
    ("lines", "folder", "limits", "granted"),
    [
        ("0::/jobs/7\n", "", {"jobs/7/memory.max": "max\n", "jobs/memory.max": "3000\n", "memory.max": "4000\n"}, 3000),
        ("3:cpu:/\n2:memory:/here\n", "memory", {"here/memory.limit_in_bytes": "2000\n"}, 2000),
        ("2:memory:/docker/of/the/host\n", "memory", {"memory.limit_in_bytes": "9223372036854771712\n"}, 5000),
        ("0::/\n", "", {"memory.max": "max\n"}, 5000),
        ("0::/../outside\n", "", {"memory.max": "1000\n"}, 1000),
    ],
)
def test_the_least_limit_of_control_groups_counts(
    lines: str,
    folder: str,
    limits: dict[str, str],
    granted: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A batch job's, a container's own, one whose path is the host's, none, and one above the root."""
    for name, text in limits.items():
        file = tmp_path / "groups" / folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "mine").write_text(lines)
    monkeypatch.setattr(memory, "GROUPS", tmp_path / "mine")
    monkeypatch.setattr(memory, "CONTROL", tmp_path / "groups")
    monkeypatch.setattr(memory, "installed", lambda: 5000)
    assert memory.granted() == granted
    monkeypatch.setattr(memory, "GROUPS", tmp_path / "none")
    assert memory.granted() == 5000


def test_scratch_finds_no_room(tmp_path: Path) -> None:
    with placing.bounded(1, tmp_path), pytest.raises(OutputError, match=r"no space left|larger than a file"):
        placing.zeros((2**50,), np.uint8)
    assert not list(tmp_path.iterdir())


def test_blocks_cover_everything_once() -> None:
    array = np.zeros((10, 3, 100, 100), np.uint8)
    parts = placing.blocks(array, most=4)
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(10))
    assert max(part.stop - part.start for part in parts) == 4
    assert len(placing.blocks(array, values=placing.BLOCK_BYTES)) == 10
    assert placing.blocks(array[:0]) == []


def test_tensor_files_are_those_of_safetensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_files, "BLOCK_BYTES", 13)
    tensors = {f"{kind}-{i}": torch.arange(i * 5).to(kind) for kind in tensor_files.NAMES for i in (0, 1, 3)}
    tensors = {name.removeprefix("torch."): tensor for name, tensor in tensors.items()}
    tensors |= {"scalar": torch.tensor(3.5), "grid": torch.arange(24, dtype=torch.int8).reshape(2, 3, 4)}
    about = {"unlearn": '{"a": "é\\n"}'}
    save_file(tensors, tmp_path / "theirs", metadata=about)
    tensor_files.save(tmp_path / "ours", tensors, about)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    told, found = tensor_files.load(tmp_path / "ours")
    assert told == about
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())


@LINUX
def test_tensor_files_are_written_and_opened_without_copies(tmp_path: Path) -> None:
    size = 80_000_000
    with placing.bounded(1, tmp_path):
        large = placing.tensor((size // 100, 100), torch.int8)
    start = memory.anonymous()
    with memory.Peak() as peak:
        tensor_files.save(tmp_path / "large", {"delta": large}, {})
        assert int(tensor_files.load(tmp_path / "large")[1]["delta"].max()) == 0
    assert start is not None
    assert peak.bytes is not None
    assert peak.bytes - start < size / 4


def test_images_of_the_host_come_to_a_device_in_batches(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 3, 4, 4), dtype=np.uint8)
    with placing.bounded(1, tmp_path):
        mapped = placing.picked(pixels, np.arange(9))
    assert isinstance(streamed.on_device(mapped, torch.device("cpu")), torch.Tensor)
    assert streamed.on_device(pixels, torch.device("meta")).shape == pixels.shape
    far = streamed.on_device(mapped, torch.device("meta"))
    assert isinstance(far, Streamed)
    assert far[torch.tensor([1, 2])].device.type == "meta"
    near, whole = Streamed(far.host, torch.device("cpu")), torch.from_numpy(pixels)
    assert (len(near), near.shape, near.dtype) == (9, whole.shape, torch.uint8)
    assert torch.equal(near[torch.tensor([8, 0])], whole[[8, 0]])
    assert all(torch.equal(a, b) for a, b in zip(near.split(4), whole.split(4), strict=True))
    chosen = training.part(training.Batches(near, torch.arange(9), torch.arange(9)), torch.tensor([3, 1]))
    assert isinstance(chosen.images, Streamed)
    assert torch.equal(chosen.images[torch.arange(2)], whole[[3, 1]])
