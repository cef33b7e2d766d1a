"""What crafting needs, and nothing else."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unlearn import training
from unlearn.crafting.checkpoint import Checkpoints
from unlearn.crafting.domain import Domain, EveryPixel
from unlearn.crafting.noise import Noise, Shared, Storage, grid, placed
from unlearn.crafting.schedule import Surrogate
from unlearn.crafting.signs import Signed
from unlearn.crafting.workers import Workers, alone
from unlearn.datasets import ImageDataset
from unlearn.perturbation import Additive
from unlearn.progress import Progress, Silent
from unlearn.stretched import Stretched

# Canvases (B, 3, S, S) in [0, 1] to unit features (B, D), differentiable, on the problem's device.
Embedder = Callable[[Tensor], Tensor]


def sample_wise(labels: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """A row of its own for every protected sample, -1 for the others; shape (N,)."""
    return np.where(mask, np.cumsum(mask) - 1, -1).astype(np.int32)


def class_wise(labels: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """One row a class; -1 for samples that stay as they are; shape (N,)."""
    return np.where(mask, labels, -1).astype(np.int32)


ROWS: dict[str, Callable[[NDArray[np.int64], NDArray[np.bool_]], NDArray[np.int32]]] = {
    "sample-wise": sample_wise,
    "class-wise": class_wise,
}


@dataclass(frozen=True)
class Problem:
    """Images, labels, rows and a budget, with everything that a method is handed to work on them.

    row: int32 (N,), each sample's row of noise or -1, see ROWS.
    epsilon: L-infinity budget in [0, 1].
    domain: where the noise lives, on every pixel or on a coarse grid.
    embedders: recognisers of faces, for methods that move features of canvases, see faces/geometry.py.
    outputs: of the surrogate; None gives it one for every class.
    signed: rows come in pairs of one shared noise and its negative, see crafting/signs.py.
    """

    data: ImageDataset
    row: NDArray[np.int32]
    epsilon: float
    surrogate: Surrogate = Surrogate()
    seed: int = 0
    workers: Workers = field(default_factory=alone)
    progress: Progress = field(default_factory=Silent)
    precision: torch.dtype = torch.float32
    checkpoints: Checkpoints | None = None
    domain: Domain = EveryPixel()
    embedders: tuple[Embedder, ...] = ()
    outputs: int | None = None
    signed: bool = False

    @cached_property
    def rows(self) -> int:
        """Number of rows of noise."""
        return int(self.row.max()) + 1

    @cached_property
    def shared(self) -> bool:
        """True when samples share rows, or a row's negative, so that the order of the updates matters."""
        return self.signed or int((self.row >= 0).sum()) > len(np.unique(self.row[self.row >= 0]))

    @cached_property
    def batches(self) -> training.Batches:
        """Labels and keys on the device, and the images there, or where they are mapped."""
        return training.batches(self.data.images, self.data.labels, self.data.keys, self.workers.device)

    @cached_property
    def row_on_device(self) -> Tensor:
        """`row` as int64 on the device."""
        return torch.from_numpy(self.row.astype(np.int64)).to(self.workers.device)

    def row_keys(self) -> Tensor:
        """A key for every row: its sample's key, or the row's number where rows are shared; shape (R,)."""
        keys = torch.arange(self.rows, dtype=torch.int64, device=self.workers.device)
        if not self.shared:
            mine = self.row_on_device >= 0
            keys[self.row_on_device[mine]] = self.batches.keys[mine]
        return keys

    def network(self, restarts: int = 0) -> nn.Module:
        """A fresh surrogate with weights of this problem's seed and of how often it was restarted, on the device."""
        shape, seed = self.data.images.shape[1:], (self.seed + restarts) % 2**63
        outputs = self.outputs or self.data.classes
        return training.build(self.surrogate.network, outputs, shape, seed).to(self.workers.device)

    def storage(self) -> Storage:
        """Where noise is kept: on the device, or in a mapped file when it is large."""
        return placed(self.workers.device)

    def noise(self, step_size: float) -> Noise:
        """Zero noise for all rows: shared rows as numbers, private ones on the grid that steps of this size reach."""
        shape = self.domain.shape(tuple(self.data.images.shape[1:]))
        if self.shared:
            rows = (self.rows + 1) // 2 if self.signed else self.rows
            shared = Shared(torch.zeros(rows, *shape, device=self.workers.device), self.epsilon)
            return Signed(shared) if self.signed else shared
        return grid(self.rows, shape, self.epsilon, step_size, self.storage())

    def perturbation(self, noise: Noise) -> Additive | Stretched:
        """The finished perturbation from the noise of all rows."""
        return self.domain.perturbation(noise, torch.from_numpy(self.row), self.epsilon)
