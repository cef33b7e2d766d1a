"""Perturbations: objects that apply themselves, and the file that carries one.

The file is safetensors with one metadata key (several would be written in random order), never pickle.
It is the antidote, since whoever has it can subtract it: it is written with mode 0600 and stays out of releases.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from unlearn import files
from unlearn.datasets import ImageDataset
from unlearn.errors import PerturbationError
from unlearn.images import Pixels
from unlearn.quantities import LEVELS, whole_levels

SCHEMA = 1
BLOCK = 4096


class Perturbation(Protocol):
    """Anything that turns clean images into protected ones; additive noise is one kind."""

    epsilon: float

    def apply(self, images: Tensor, index: Tensor) -> Tensor:
        """Protected float images in [0, 1], shape (B, C, H, W), for samples at positions `index` (B,)."""
        ...


@dataclass(frozen=True)
class Additive:
    """x + delta[row], clipped to [0, 1].

    delta: int8 levels of 1/255 (int16 for budgets above 127 levels), shape (R, C, H, W), within whole_levels(epsilon).
    row: int32, shape (N,): each sample's row of delta, or -1 for a sample that stays as it is.
    epsilon: L-infinity budget in [0, 1].
    """

    delta: Tensor
    row: Tensor
    epsilon: float

    def __post_init__(self) -> None:
        limit = whole_levels(self.epsilon)
        largest = max(abs(int(self.delta.min())), abs(int(self.delta.max()))) if self.delta.numel() else 0
        if largest > limit:
            raise PerturbationError(f"delta reaches {largest} levels, the budget is {limit}")
        if len(self.row) and (int(self.row.min()) < -1 or int(self.row.max()) >= len(self.delta)):
            raise PerturbationError(f"rows {int(self.row.min())}..{int(self.row.max())} of {len(self.delta)}")

    def levels(self, index: Tensor) -> Tensor:
        """int8 levels for samples at positions `index`, shape (B, C, H, W); zero where row is -1."""
        row = self.row[index].long()
        chosen = self.delta[row.clamp(min=0)]
        return chosen * (row >= 0).to(chosen.dtype)[:, None, None, None]

    def apply(self, images: Tensor, index: Tensor) -> Tensor:
        """Float images in [0, 1] plus their noise, clipped to [0, 1]."""
        noise = self.levels(index.cpu()).to(images.device, images.dtype)
        return (images + noise / LEVELS).clamp(0.0, 1.0)

    def apply_pixels(self, pixels: Pixels, index: NDArray[np.int64]) -> Pixels:
        """The same on uint8 pixels, without any rounding: levels are whole, so the budget holds exactly."""
        out = np.empty_like(pixels)
        for start in range(0, len(pixels), BLOCK):
            part = slice(start, start + BLOCK)
            noise = self.levels(torch.from_numpy(index[part])).numpy().astype(np.int16)
            out[part] = (pixels[part] + noise).clip(0, LEVELS)
        return out

    def on_pixels(self, shape: tuple[int, ...]) -> "Additive":
        """Itself: this noise lives on the pixels of its images."""
        return self

    def protected(self, index: NDArray[np.int64]) -> NDArray[np.bool_]:
        """True where a sample at these positions is changed."""
        return np.asarray(self.row.numpy()[index] >= 0)


@dataclass(frozen=True)
class Origin:
    """Where a perturbation comes from; all of it is in the file."""

    method: str
    rows: str
    recipe_hash: str
    data: str
    data_fingerprint: str
    names: tuple[str, ...]
    shape: tuple[int, ...]
    versions: dict[str, str]


@dataclass(frozen=True)
class Saved:
    """A perturbation bound to the samples it was made for, by their ids."""

    perturbation: Additive
    ids: tuple[str, ...]
    origin: Origin

    @cached_property
    def position(self) -> dict[str, int]:
        return {identity: i for i, identity in enumerate(self.ids)}

    def index_of(self, data: ImageDataset) -> NDArray[np.int64]:
        """Positions of the data's samples in this file, in the data's own order.

        Raises:
            PerturbationError: when the data are other data, saying in what they differ.
        """
        self._check_shape(data)
        found = np.array([self.position.get(i, -1) for i in data.ids], dtype=np.int64)
        unknown = int((found < 0).sum())
        if unknown:
            raise PerturbationError(
                f"this perturbation was made for other data: {unknown} of {len(data)} samples are unknown to it "
                f"(made for {self.origin.data} {self.origin.data_fingerprint}, {len(self.ids)} samples; "
                f"these are {data.fingerprint})"
            )
        return found

    def _check_shape(self, data: ImageDataset) -> None:
        mine, theirs = tuple(self.origin.shape), tuple(data.images.shape[1:])
        if mine != theirs:
            raise PerturbationError(
                f"this perturbation was made for other data: images of {_shape(mine)} ({self.origin.data}), "
                f"these are {_shape(theirs)}"
            )

    def protect(self, data: ImageDataset) -> ImageDataset:
        """The protected data set: same labels, order and names, other pixels."""
        pixels = self.perturbation.apply_pixels(data.images, self.index_of(data))
        return ImageDataset(pixels, data.labels, data.names, data.split)


def _shape(shape: Sequence[int]) -> str:
    channels, height, width = shape
    return f"{width}x{height} with {channels} channel{'s' if channels > 1 else ''}"


def save(path: Path, saved: Saved) -> None:
    """Write the file, mode 0600, whole or not at all; equal contents give equal bytes."""
    meta = {
        "schema": SCHEMA,
        "kind": "additive",
        "epsilon": saved.perturbation.epsilon,
        **asdict(saved.origin),
    }
    tensors = {
        "delta": saved.perturbation.delta.contiguous(),
        "row": saved.perturbation.row.contiguous(),
        "ids": _pack(saved.ids),
    }
    with files.output_errors(path), files.replacing(path, mode=0o600) as temporary:
        save_file(tensors, temporary, metadata={"unlearn": json.dumps(meta, sort_keys=True)})


def load(path: Path) -> Saved:
    """Read and check a perturbation file.

    Raises:
        PerturbationError: unreadable, of another schema, or with tensors that contradict each other.
    """
    try:
        with safe_open(path, framework="pt") as file:
            meta = json.loads((file.metadata() or {}).get("unlearn", "{}"))
            if meta.get("schema") != SCHEMA or meta.get("kind") != "additive":
                raise PerturbationError(f"{path}: not a perturbation of this version (schema {SCHEMA})")
            tensors = {name: file.get_tensor(name) for name in ("delta", "row", "ids")}
        return _checked(path, meta, tensors)
    except (OSError, SafetensorError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise PerturbationError(f"{path}: not a readable perturbation file ({str(error)[:120]})") from error


def _checked(path: Path, meta: dict[str, Any], tensors: dict[str, Tensor]) -> Saved:
    delta, row, packed = tensors["delta"], tensors["row"], tensors["ids"]
    known = delta.dtype in (torch.int8, torch.int16) and (row.dtype, packed.dtype) == (
        torch.int32,
        torch.uint8,
    )
    if not known or delta.ndim != 4 or packed.shape != (len(row), 16):
        raise PerturbationError(f"{path}: tensors of wrong type or shape")
    origin = {field.name: meta[field.name] for field in fields(Origin)}
    origin |= {"names": tuple(origin["names"]), "shape": tuple(origin["shape"])}
    if tuple(delta.shape[1:]) != origin["shape"]:
        raise PerturbationError(f"{path}: delta and the recorded image shape differ")
    return Saved(Additive(delta, row, float(meta["epsilon"])), _unpack(packed), Origin(**origin))


def _pack(ids: Sequence[str]) -> Tensor:
    raw = np.frombuffer(bytes.fromhex("".join(ids)), dtype=np.uint8).copy()
    return torch.from_numpy(raw).reshape(-1, 16)


def _unpack(packed: Tensor) -> tuple[str, ...]:
    text = packed.numpy().tobytes().hex()
    return tuple(text[i : i + 32] for i in range(0, len(text), 32))
