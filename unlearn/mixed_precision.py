"""Mixed precision, on CPUs without instructions for bfloat16 by convolutions and linear layers in float32.

torch's own operators take ten times as long there as in float32. As in hardware, what goes in and what comes out is
rounded and sums are taken in float32; only their order is another one.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from unlearn.precision import emulated

OPERATORS = (torch.conv2d, F.linear)  # where networks spend their time


@contextlib.contextmanager
def autocast(device: torch.device, precision: torch.dtype) -> Iterator[None]:
    """Mixed precision, or nothing for float32."""
    if precision == torch.float32:
        yield
        return
    widened = Widened() if device.type == "cpu" and emulated() else contextlib.nullcontext()
    with torch.autocast(device.type, precision), widened:
        yield


class Widened(TorchFunctionMode):
    """Takes the place of these operators under mixed precision; gradients are rounded where the numbers were."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        if func not in OPERATORS or not torch.is_autocast_enabled("cpu"):
            return func(*args, **named)
        with torch.autocast("cpu", enabled=False):
            return func(*map(_rounded, args), **{name: _rounded(value) for name, value in named.items()}).bfloat16()


def _rounded(value: Any) -> Any:
    return value.bfloat16().float() if isinstance(value, Tensor) else value
