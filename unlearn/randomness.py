"""Random numbers that depend on (seed, stream, epoch, sample) and on nothing else.

A counter-based generator: SplitMix64's finalizer (Steele et al., OOPSLA 2014) over the words of a
counter. Generators that carry a state would tie a draw to the rank, the batch size or the order of
the calls; with this one, any process can compute any sample's numbers at any time.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_LOW = (1 << 24) - 1
_GLOBAL = threading.RLock()


def _signed(word: int) -> int:
    """A 64-bit word as the int64 that torch stores."""
    word &= _MASK
    return word - (1 << 64) if word >> 63 else word


_MULTIPLY_1, _MULTIPLY_2 = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)


def _shift(words: Tensor, bits: int) -> Tensor:
    return (words >> bits) & ((1 << (64 - bits)) - 1)


def _mix(words: Tensor) -> Tensor:
    words = (words ^ _shift(words, 30)) * _MULTIPLY_1
    words = (words ^ _shift(words, 27)) * _MULTIPLY_2
    return words ^ _shift(words, 31)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, torch's own random numbers start from this seed, on the CPU; outside they are as they were.

    For weights of new layers, whose makers take no generator. One thread at a time: there is one state for all.
    """
    with _GLOBAL, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def base(seed: int, stream: str, epoch: int = 0) -> int:
    """A 64-bit word for one use of randomness; `stream` names the use, so that two never share draws."""
    digest = hashlib.sha256(f"{seed}/{stream}/{epoch}".encode()).digest()
    return _signed(int.from_bytes(digest[:8], "little"))


def words(seed: int, stream: str, epoch: int, keys: Tensor, count: int) -> Tensor:
    """int64 words, shape (B, count), for sample keys of shape (B,)."""
    start = _mix(keys + base(seed, stream, epoch))
    counter = torch.arange(count, device=keys.device, dtype=torch.int64) * _signed(_GOLDEN)
    return _mix(start[:, None] + counter[None])


def uniform(seed: int, stream: str, epoch: int, keys: Tensor, shape: tuple[int, ...] = ()) -> Tensor:
    """float32 in [0, 1), shape (B, *shape); the same on every device."""
    drawn = words(seed, stream, epoch, keys, prod(shape))
    return ((drawn & _LOW).to(torch.float32) / (1 << 24)).reshape(len(keys), *shape)


def integers(seed: int, stream: str, epoch: int, keys: Tensor, high: int) -> Tensor:
    """int64 in [0, high), shape (B,)."""
    return _shift(words(seed, stream, epoch, keys, 1)[:, 0], 1) % high


def permutation(seed: int, stream: str, epoch: int, keys: Tensor) -> Tensor:
    """Positions 0..N-1 in a random order that does not depend on how the samples are stored."""
    return torch.argsort(words(seed, stream, epoch, keys, 1)[:, 0], stable=True)


@dataclass(frozen=True)
class Draws:
    """The random numbers of one batch: sample keys (B,), a seed and an epoch or step."""

    seed: int
    epoch: int
    keys: Tensor

    def uniform(self, stream: str, shape: tuple[int, ...] = ()) -> Tensor:
        """float32 in [0, 1), shape (B, *shape)."""
        return uniform(self.seed, stream, self.epoch, self.keys, shape)

    def integers(self, stream: str, high: int) -> Tensor:
        """int64 in [0, high), shape (B,)."""
        return integers(self.seed, stream, self.epoch, self.keys, high)

    def permutation(self, stream: str) -> Tensor:
        """Positions 0..B-1 in random order."""
        return permutation(self.seed, stream, self.epoch, self.keys)
