"""What a machine can do at most, measured beside a bench, and a clock of wall and CPU seconds.

Wall seconds of a machine that does other work say little. CPU seconds of this process and its children hold still far
better, so every ratio is given in both, and the share of the limit in CPU seconds of one core.
"""

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def now() -> tuple[float, float]:
    """Wall seconds, and CPU seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.monotonic(), sum(each.ru_utime + each.ru_stime for each in used)


@dataclass
class Spent:
    """Wall and CPU seconds by phase, added up over rounds."""

    wall: dict[str, float]
    cpu: dict[str, float]

    @classmethod
    def none(cls) -> "Spent":
        """Nothing yet."""
        return cls({}, {})

    def add(self, phase: str, since: tuple[float, float], until: tuple[float, float] | None = None) -> None:
        """Add the time between two readings of the clock."""
        end = until or now()
        self.wall[phase] = self.wall.get(phase, 0.0) + end[0] - since[0]
        self.cpu[phase] = self.cpu.get(phase, 0.0) + end[1] - since[1]

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time of the block."""
        since = now()
        yield
        self.add(name, since)


def limits(seconds: float = 0.3) -> dict[str, float]:
    """GFLOP per CPU second of one core: the best of a 3x3 convolution and a matrix product, by precision."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    found = {
        name: round(max(_convolution(kind, seconds), _product(kind, seconds))) for name, kind in PRECISIONS.items()
    }
    torch.set_num_threads(before)
    return found


def _convolution(kind: torch.dtype, seconds: float) -> float:
    images = torch.randn(16, 256, 16, 16).to(kind, memory_format=torch.channels_last)
    weight = torch.randn(256, 256, 3, 3).to(kind, memory_format=torch.channels_last)
    return _rate(lambda: F.conv2d(images, weight, padding=1), 2 * images.numel() * 256 * 9 / 1e9, seconds)


def _product(kind: torch.dtype, seconds: float) -> float:
    one, other = torch.randn(512, 512).to(kind), torch.randn(512, 512).to(kind)
    return _rate(lambda: one @ other, 2 * 512**3 / 1e9, seconds)


@torch.no_grad()
def _rate(work: Callable[[], Any], gigaflop: float, seconds: float) -> float:
    work()
    best, end = 0.0, time.process_time() + seconds
    while time.process_time() < end:
        since = time.process_time()
        for _ in range(3):
            work()
        best = max(best, 3 * gigaflop / (time.process_time() - since))
    return best


def gigaflop(network: nn.Module, shape: tuple[int, ...]) -> float:
    """GFLOP of one image's forward pass, a multiply-add being two; its input's gradient costs as much again."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(torch.zeros(1, *shape))
    return counter.get_total_flops() / 1e9


def pool(threads: int) -> ThreadPoolExecutor:
    """Threads with one operator thread each, as crafting has them."""
    return ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))


def about() -> dict[str, Any]:
    """The kind of machine and its load; no host name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "")
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": psutil.cpu_count(),
        "extensions": [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {name}" in flags],
        "load": round(os.getloadavg()[0], 1),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def printed(
    options: argparse.Namespace, measured: dict[str, Any], besides: tuple[str, ...] = ("json", "quick")
) -> None:
    """Print what a bench measured with its settings and the machine, and write it to `options.json` if there is one.

    Args:
        besides: options that are no settings.
    """
    settings = {key: value for key, value in vars(options).items() if key not in besides}
    print(text := json.dumps({"settings": settings, "machine": about(), **measured}, indent=2))
    if options.json:
        options.json.write_text(text + "\n")
