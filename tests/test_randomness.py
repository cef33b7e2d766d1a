"""Draws depend on (seed, stream, epoch, sample) and on nothing else."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from unlearn import randomness
from unlearn.randomness import Draws

KEYS = torch.tensor([3, -7, 2**62, 0, 11], dtype=torch.int64)


def test_a_sample_draws_the_same_in_any_batch() -> None:
    together = randomness.uniform(1, "x", 2, KEYS, (3, 4))
    alone = torch.cat([randomness.uniform(1, "x", 2, key[None], (3, 4)) for key in KEYS])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("other", [(2, "x", 2), (1, "y", 2), (1, "x", 3)])
def test_seed_stream_and_epoch_all_matter(other: tuple[int, str, int]) -> None:
    assert not torch.equal(randomness.uniform(1, "x", 2, KEYS, (8,)), randomness.uniform(*other, KEYS, (8,)))


def test_uniform_is_uniform() -> None:
    draws = randomness.uniform(0, "x", 0, torch.arange(200), (500,))
    assert 0 <= float(draws.min()) < 1e-3
    assert 1 - 1e-3 < float(draws.max()) < 1
    assert abs(float(draws.mean()) - 0.5) < 0.005
    assert abs(float(draws.var()) - 1 / 12) < 0.002
    neighbors = torch.corrcoef(torch.stack([draws[:-1].flatten(), draws[1:].flatten()]))[0, 1]
    assert abs(float(neighbors)) < 0.01


def test_known_values_stay() -> None:
    """A change here changes every perturbation ever crafted: raise the perturbation's schema with it."""
    assert randomness.words(0, "x", 0, torch.tensor([0, 1]), 2).tolist() == KNOWN


def test_integers_cover_their_range_evenly() -> None:
    counts = torch.bincount(randomness.integers(5, "x", 0, torch.arange(9000), 9), minlength=9)
    assert counts.min() > 850
    assert counts.sum() == 9000


def test_permutation_follows_the_keys_not_their_places() -> None:
    keys = torch.arange(50, dtype=torch.int64) * 977
    shuffle = torch.randperm(50, generator=torch.Generator().manual_seed(0))
    order = randomness.permutation(1, "x", 0, keys)
    shuffled = randomness.permutation(1, "x", 0, keys[shuffle])
    assert sorted(order.tolist()) == list(range(50))
    assert torch.equal(keys[order], keys[shuffle][shuffled])


def test_draws_bind_the_arguments() -> None:
    draws = Draws(4, 5, KEYS)
    assert torch.equal(draws.uniform("x", (2,)), randomness.uniform(4, "x", 5, KEYS, (2,)))
    assert torch.equal(draws.integers("x", 7), randomness.integers(4, "x", 5, KEYS, 7))


KNOWN = [[-3310489580050426434, 4991365858418047184], [-6484328433750680379, -145490671939555964]]


def test_seeded_is_for_one_thread_at_a_time_and_leaves_the_state_alone() -> None:
    def drawn(seed: int) -> list[float]:
        with randomness.seeded(seed):
            found = torch.rand(1).tolist()
            time.sleep(0.002)
            return found + torch.rand(1).tolist()

    before = torch.get_rng_state()
    expected = [drawn(seed) for seed in range(16)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(drawn, range(16))) == expected
    assert torch.equal(torch.get_rng_state(), before)
