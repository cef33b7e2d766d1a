"""The processes that craft together: who computes what, and how results meet.

The surrogate is replicated and never wrapped in DDP, whose batch statistics differ by rank; only noise steps
are dealt out. What is computed does not depend on the number of processes, so neither do the bytes: on a CPU
every task runs on one thread, and tasks, not operators, are spread over the cores.
"""

from __future__ import annotations

import atexit
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs
from torch import Tensor, nn

from unlearn.errors import UnlearnError, WorkersError
from unlearn.signals import StopRequest

T = TypeVar("T")
# Processes that are done with their share of an audit wait for the others, whose trainings may last; torch's limits
# are ten minutes on GPUs and half an hour on CPUs. A process that dies is noticed at once, or by the launcher.
PATIENCE = timedelta(days=7)


@dataclass(frozen=True)
class Workers:
    """This process among `world` ones, its device, its threads, and a stop request shared by all."""

    device: torch.device
    rank: int = 0
    world: int = 1
    threads: int = 1
    stop: StopRequest = field(default_factory=StopRequest)

    @property
    def main(self) -> bool:
        return self.rank == 0

    def deal(self, tasks: int) -> list[range]:
        """Contiguous, balanced shares of `tasks` pieces of work, one a process."""
        bounds = [tasks * rank // self.world for rank in range(self.world + 1)]
        return [range(a, b) for a, b in pairwise(bounds)]

    def map(self, work: Callable[[T], Any], items: Sequence[T]) -> list[Any]:
        """Results in the order of the items; on a CPU over threads with one operator thread each."""
        if len(items) < 2:
            return [work(item) for item in items]
        with self.crew() as deal:
            return deal(work, items)

    @contextmanager
    def crew(self) -> Iterator[Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]]:
        """A `map` whose threads stay until the end of the context, for many small pieces of work."""
        if self.threads == 1:
            yield lambda work, items: [work(item) for item in items]
            return
        with ThreadPoolExecutor(self.threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield lambda work, items: list(pool.map(work, items))

    def share(self, results: Tensor, spans: Sequence[range]) -> None:
        """Complete `results`, contiguous and of any type, in place: rank r has filled rows spans[r], all get them."""
        if self.world == 1:
            return
        for rank, span in enumerate(spans):
            if len(span):
                # As bytes: gloo knows no int16.
                dist.broadcast(results[span.start : span.stop].view(torch.uint8), src=rank)

    def total(self, value: int) -> int:
        """Sum of an integer over all processes."""
        if self.world == 1:
            return value
        number = torch.tensor(value, dtype=torch.int64, device=self.device)
        dist.all_reduce(number)
        return int(number)

    def stop_requested(self) -> bool:
        """True for all processes as soon as one of them was asked to stop."""
        return self.total(int(self.stop.requested)) > 0

    def barrier(self) -> None:
        """Wait for all processes."""
        if self.world > 1:
            dist.barrier()

    def together(self, work: Callable[[], None]) -> None:
        """Let the first process do something; when that fails, all processes leave.

        Raises:
            UnlearnError: the first process's error, and in the others that there was one.
        """
        error: UnlearnError | None = None
        if self.main:
            try:
                work()
            except UnlearnError as problem:
                error = problem
        failed = self.total(int(error is not None))
        if error:
            raise error
        if failed:
            raise WorkersError("the first process stopped with an error")

    def agree(self, network: nn.Module) -> None:
        """Make sure that all processes hold the same surrogate.

        Raises:
            WorkersError: on CPUs, when weights differ; on GPUs, whose kernels may differ in the last bit, the
                first process's weights are taken by all instead.
        """
        if self.world == 1:
            return
        state = list(network.state_dict().values())
        if self.device.type != "cpu":
            for tensor in state:
                dist.broadcast(tensor, src=0)
            return
        mine = int.from_bytes(_digest(state)[:7], "little")
        if self.total(mine) != mine * self.world:
            raise WorkersError("the processes hold different surrogates: run them on CPUs of one model")

    @contextmanager
    def pinned(self) -> Iterator[None]:
        """One operator thread on CPUs while crafting: the number of threads changes the bits of sums."""
        before = torch.get_num_threads()
        try:
            if self.device.type == "cpu":
                torch.set_num_threads(1)
            yield
        finally:
            torch.set_num_threads(before)


def _digest(tensors: Sequence[Tensor]) -> bytes:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().contiguous().cpu().numpy().tobytes())
    return digest.digest()


def launch(stop: StopRequest | None = None, device: str = "auto") -> Workers:
    """The processes as Accelerate finds them: one, or what torchrun, accelerate launch or srun started.

    Raises:
        WorkersError: when a launcher announced more processes than see each other, or CUDA is asked for and absent.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise WorkersError("--device cuda: torch sees no CUDA device here; there are: auto, cpu")
    on_cpu = device == "cpu" or not (torch.cuda.is_available() or torch.backends.mps.is_available())
    accelerator = Accelerator(cpu=on_cpu, kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)])
    announced = int(os.environ.get("WORLD_SIZE", "1"))
    if accelerator.num_processes != announced:
        raise WorkersError(
            f"{announced} processes were started, {accelerator.num_processes} see each other; "
            "start them with torchrun --nproc_per_node N -m unlearn ..."
        )
    if accelerator.num_processes > 1:
        atexit.register(_leave)
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Workers(
        device=accelerator.device,
        rank=accelerator.process_index,
        world=accelerator.num_processes,
        threads=max(1, cores // local) if accelerator.device.type == "cpu" else 1,
        stop=stop or StopRequest(),
    )


def _leave() -> None:
    """Close the connections before the interpreter goes: gloo's threads, left running, abort the process at its end."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def alone(device: str = "cpu", threads: int = 1) -> Workers:
    """One process without Accelerate: for libraries and tests."""
    return Workers(torch.device(device), threads=threads)
