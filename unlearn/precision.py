"""The precision that work runs in, and whether the device computes in it."""

import time
from collections.abc import Mapping
from typing import Any

import torch

from unlearn.progress import Progress

EMULATED = "bfloat16 is emulated on this CPU, in float32, which saves no time; precision: float32 avoids the rounding"
SLOWER = "bfloat16 multiplies more slowly than float32 on this CPU; precision: float32 avoids that"
# Of x86 and of ARM, as torch names them.
COMPUTES = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")


def chosen(device: torch.device, wanted: str, progress: Progress) -> torch.dtype:
    """`auto` is bfloat16 on CUDA devices and float32 elsewhere; says so where bfloat16 was asked for and costs time."""
    if wanted == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if wanted == "bfloat16" and device.type == "cpu" and emulated():
        progress.log("slow", reason=EMULATED)
    return torch.bfloat16 if wanted == "bfloat16" else torch.float32


def emulated() -> bool:
    """Whether this CPU has no instructions for bfloat16; False where torch can't tell."""
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities) and not any(capabilities.get(name) for name in COMPUTES)


def slow() -> str | None:
    """Why bfloat16 costs time on this CPU, where it does: some compute in it, and more slowly than in float32."""
    if emulated():
        return EMULATED
    return SLOWER if seconds(torch.bfloat16) > 1.2 * seconds(torch.float32) else None


def seconds(precision: torch.dtype, size: int = 512, repeats: int = 7) -> float:
    """The shortest of some matrix products, the first of which prepares the others."""
    matrix, taken = torch.ones(size, size, dtype=precision), []
    for _ in range(repeats):
        start = time.perf_counter()
        matrix @ matrix
        taken.append(time.perf_counter() - start)
    return min(taken)
