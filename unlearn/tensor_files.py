"""Safetensors files of tensors that may be larger than memory: written block by block, opened as a map.

The bytes are those of `safetensors.torch.save_file`, some versions of which copy all tensors into memory first.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import safe_open
from torch import Tensor

BLOCK_BYTES = 64_000_000
# The format's names, in the order in which its tensors lie in a file: wide types first, so that all are aligned.
NAMES = {
    torch.int64: "I64", torch.float64: "F64", torch.float32: "F32", torch.int32: "I32", torch.bfloat16: "BF16",
    torch.float16: "F16", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip


def save(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write contiguous tensors of the CPU to a file.

    Raises:
        OSError: the file cannot be written. KeyError: a type that is not among NAMES.
    """
    kinds = list(NAMES)
    ordered = sorted(tensors.items(), key=lambda item: (kinds.index(item[1].dtype), item[0]))
    with path.open("wb") as file:
        header = _header(ordered, metadata)
        file.write(len(header).to_bytes(8, "little"))
        file.write(header)
        for _, tensor in ordered:
            _write(file, tensor)


def _header(ordered: list[tuple[str, Tensor]], metadata: Mapping[str, str]) -> bytes:
    entries: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, tensor in ordered:
        start, end = end, end + tensor.numel() * tensor.element_size()
        entries[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    return text + b" " * (-len(text) % 8)


def _write(file: BinaryIO, tensor: Tensor) -> None:
    raw = tensor.detach().reshape(-1).view(torch.uint8).numpy()
    for start in range(0, len(raw), BLOCK_BYTES):
        file.write(raw[start : start + BLOCK_BYTES].data)


def load(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a file; pages of the tensors are read when they are looked at.

    Raises:
        OSError, SafetensorError: no such file, or a damaged one.
    """
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
