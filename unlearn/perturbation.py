"""Perturbations as files: one that applies itself, see `kinds`, bound to the samples that it was made for.

The file is safetensors with one metadata key (several would be written in random order), never pickle.
It is the antidote, since whoever has it can subtract it: it is written with mode 0600 and stays out of releases.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from unlearn import files, kinds, registry, tensor_files
from unlearn.datasets import ImageDataset
from unlearn.errors import PerturbationError, UnknownName
from unlearn.images import Pixels
from unlearn.kinds import Perturbation
from unlearn.kinds.additive import Additive as Additive

SCHEMA = 1


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

    perturbation: Perturbation
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

    def control(self, data: ImageDataset) -> Pixels:
        """The data's pixels under a change of the same kind and size that knows nothing of the labels."""
        return self.perturbation.control(data.images, self.index_of(data), data.keys)


def _shape(shape: Sequence[int]) -> str:
    channels, height, width = shape
    return f"{width}x{height} with {channels} channel{'s' if channels > 1 else ''}"


def save(path: Path, saved: Saved) -> None:
    """Write the file, mode 0600, whole or not at all; equal contents give equal bytes."""
    made = saved.perturbation
    meta = {"schema": SCHEMA, "kind": kinds.name_of(made), **made.facts(), **asdict(saved.origin)}
    tensors = {name: tensor.contiguous() for name, tensor in made.tensors().items()} | {"ids": _pack(saved.ids)}
    with files.output_errors(path), files.replacing(path, mode=0o600) as temporary:
        tensor_files.save(temporary, tensors, {"unlearn": json.dumps(meta, sort_keys=True)})


def load(path: Path) -> Saved:
    """Read and check a perturbation file.

    Raises:
        PerturbationError: unreadable, of another schema, or with tensors that contradict each other.
    """
    try:
        about, tensors = tensor_files.load(path)
        meta = json.loads(about.get("unlearn", "{}"))
        if meta.get("schema") != SCHEMA:
            raise PerturbationError(f"not a perturbation of this version (schema {SCHEMA})")
        return _checked(meta, tensors)
    except (PerturbationError, UnknownName) as error:
        raise PerturbationError(f"{path}: {error}") from error
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise PerturbationError(f"{path}: not a readable perturbation file ({str(error)[:120]})") from error


def _checked(meta: dict[str, Any], tensors: dict[str, Tensor]) -> Saved:
    packed = tensors.pop("ids")
    made: Perturbation = registry.load("kinds", str(meta["kind"])).of(tensors, meta)
    if packed.dtype != torch.uint8 or packed.shape != (len(made.row), 16):
        raise PerturbationError("tensors of wrong type or shape")
    origin = {field.name: meta[field.name] for field in fields(Origin)}
    origin |= {"names": tuple(origin["names"]), "shape": tuple(origin["shape"])}
    if not made.fits(origin["shape"]):
        raise PerturbationError("the perturbation and the recorded image shape differ")
    return Saved(made, _unpack(packed), Origin(**origin))


def _pack(ids: Sequence[str]) -> Tensor:
    raw = np.frombuffer(bytes.fromhex("".join(ids)), dtype=np.uint8).copy()
    return torch.from_numpy(raw).reshape(-1, 16)


def _unpack(packed: Tensor) -> tuple[str, ...]:
    text = packed.numpy().tobytes().hex()
    return tuple(text[i : i + 32] for i in range(0, len(text), 32))
