"""A small U-Net on images, with or without a time: the network of the purifier and of diffusion purification.

Names in its state dict: `enter`, `down.I.first|second|skip`, `down.I.norm1|norm2`, `middle.*`, `up.I.*`, `leave_norm`,
`leave`, and with a time `time.0`, `time.2` and `*.shift`. Ho et al., NeurIPS 2020, without attention.
"""

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearn import randomness

GROUPS = 8


class _Block(nn.Module):
    """Two convolutions around a skip; a time shifts the features between them."""

    def __init__(self, inside: int, outside: int, time: int):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(GROUPS, inside), nn.GroupNorm(GROUPS, outside)
        self.first = nn.Conv2d(inside, outside, 3, padding=1)
        self.second = nn.Conv2d(outside, outside, 3, padding=1)
        self.skip = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()
        self.shift = nn.Linear(time, outside) if time else None

    def forward(self, x: Tensor, time: Tensor | None) -> Tensor:
        inner = self.first(F.silu(self.norm1(x)))
        if self.shift is not None and time is not None:
            inner = inner + self.shift(time)[:, :, None, None]
        return self.skip(x) + self.second(F.silu(self.norm2(inner)))


class UNet(nn.Module):
    """Images (B, C, H, W) to images of that shape, through `levels` halvings with 1, 2, 4, ... times `width` channels.

    timed: whether a step (B,) of a diffusion is given besides the images.
    """

    def __init__(self, channels: int, width: int, levels: int = 2, timed: bool = False):
        super().__init__()
        widths = [width * 2**level for level in range(levels + 1)]
        time = 4 * width if timed else 0
        self.width = width
        self.time = nn.Sequential(nn.Linear(width, time), nn.SiLU(), nn.Linear(time, time)) if timed else None
        self.enter = nn.Conv2d(channels, width, 3, padding=1)
        pairs = list(itertools.pairwise(widths))
        self.down = nn.ModuleList(_Block(a, b, time) for a, b in pairs)
        self.middle = _Block(widths[-1], widths[-1], time)
        self.up = nn.ModuleList(_Block(a + b, a, time) for a, b in reversed(pairs))
        self.leave_norm = nn.GroupNorm(GROUPS, width)
        self.leave = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, x: Tensor, step: Tensor | None = None) -> Tensor:
        time = self.time(_waves(step, self.width)) if self.time is not None and step is not None else None
        x, kept = self.enter(x), []
        for block in self.down:
            kept.append(x)
            x = block(F.avg_pool2d(x, 2, ceil_mode=True), time)
        x = self.middle(x, time)
        for block, before in zip(self.up, reversed(kept), strict=True):
            x = F.interpolate(x, before.shape[2:], mode="nearest")
            x = block(torch.cat([before, x], 1), time)
        return self.leave(F.silu(self.leave_norm(x)))


def _waves(step: Tensor, width: int) -> Tensor:
    """A step (B,) as sines and cosines of falling frequency, (B, width)."""
    half = width // 2
    rates = torch.exp(-math.log(10000.0) * torch.arange(half, device=step.device) / half)
    angles = step[:, None].float() * rates
    return torch.cat([angles.sin(), angles.cos()], 1)


def built(seed: int, channels: int, width: int, timed: bool = False) -> UNet:
    """A network with weights from this seed; global random state stays as it was."""
    with randomness.seeded(seed):
        return UNet(channels, width, timed=timed)
