"""Checkpoints of a crafting run: noise, surrogate, optimizer and cursor, whole or not at all.

No pickle, nothing per process: a run resumes on another number of processes with the same bytes.
"""

import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unlearn import files, placing
from unlearn.crafting.schedule import Cursor
from unlearn.errors import OutputError

COMPLETE = "cursor.json"
# What optimizers keep of a weight, and its name in a file.
STATE = {"momentum_buffer": "momentum", "exp_avg": "mean", "exp_avg_sq": "square", "step": "step"}


@dataclass
class Checkpoints:
    """Numbered folders under `folder`; the newest complete one counts. `every` seconds between two."""

    folder: Path
    every: float = 60.0
    last: float = field(default_factory=time.monotonic)

    def due(self) -> bool:
        return time.monotonic() - self.last >= self.every

    def save(self, cursor: Cursor, values: Tensor, network: nn.Module, *optims: torch.optim.Optimizer) -> None:
        """Write a new checkpoint, then remove the older ones."""
        older = self._numbers()
        number = max(older, default=-1) + 1
        place, temporary = self.folder / f"{number:06d}", self.folder / f"{number:06d}.tmp"
        with files.output_errors(self.folder):
            for remains in (place, temporary):  # of a crash while this number was written
                shutil.rmtree(remains, ignore_errors=True)
            temporary.mkdir(parents=True)
            np.save(temporary / "noise.npy", values.cpu().numpy(), allow_pickle=False)
            save_file(_tensors(network, optims), temporary / "surrogate.safetensors")
            (temporary / COMPLETE).write_text(json.dumps(asdict(cursor)))
            _sync(temporary)
            temporary.rename(place)
        for old in older:
            shutil.rmtree(self.folder / f"{old:06d}", ignore_errors=True)
        self.last = time.monotonic()

    def load(self, values: Tensor, network: nn.Module, *optims: torch.optim.Optimizer) -> Cursor | None:
        """Restore everything in place and return the cursor; None without a checkpoint.

        Raises:
            OutputError: when the checkpoint is damaged or does not fit this problem.
        """
        numbers = self._numbers()
        if not numbers:
            return None
        place = self.folder / f"{max(numbers):06d}"
        try:
            return _load(place, values, network, optims)
        except (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            reason = str(error).partition("\n")[0]
            raise OutputError(
                f"{place}: damaged, or of another run ({reason}); without {self.folder} the same command begins again"
            ) from error

    def _numbers(self) -> list[int]:
        if not self.folder.is_dir():
            return []
        return sorted(int(p.name) for p in self.folder.iterdir() if p.name.isdigit() and (p / COMPLETE).exists())


def _load(place: Path, values: Tensor, network: nn.Module, optims: Sequence[torch.optim.Optimizer]) -> Cursor:
    stored = np.load(place / "noise.npy", mmap_mode="r", allow_pickle=False)
    if tuple(stored.shape) != tuple(values.shape):
        raise ValueError(f"noise of shape {stored.shape}, expected {tuple(values.shape)}")
    for part in placing.blocks(stored):
        values[part] = torch.from_numpy(np.array(stored[part])).to(values.device)
    _restore(load_file(place / "surrogate.safetensors"), network, optims)
    cursor = json.loads((place / COMPLETE).read_text())
    return Cursor(**{**cursor, "errors": tuple(cursor["errors"])})


def _tensors(network: nn.Module, optims: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    weights = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    states = {
        f"{STATE[key]}.{i}": tensor
        for i, weight in enumerate(network.parameters())
        for optim in optims
        for key, tensor in optim.state.get(weight, {}).items()
        if tensor is not None
    }
    return {name: tensor.detach().cpu().contiguous() for name, tensor in (weights | states).items()}


def _restore(tensors: dict[str, Tensor], network: nn.Module, optims: Sequence[torch.optim.Optimizer]) -> None:
    prefix = "network."
    network.load_state_dict({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
    owner = {weight: optim for optim in optims for group in optim.param_groups for weight in group["params"]}
    for i, weight in enumerate(network.parameters()):
        for key, name in STATE.items():
            if (stored := tensors.get(f"{name}.{i}")) is not None:
                owner[weight].state[weight][key] = _like(weight, stored)


def _like(weight: Tensor, stored: Tensor) -> Tensor:
    """In the layout of the weight, because another one would give other kernels, hence other bits."""
    if stored.shape != weight.shape:  # a count of steps, which optimizers keep on the CPU
        return stored
    return torch.empty_like(weight, memory_format=torch.preserve_format).copy_(stored)


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
