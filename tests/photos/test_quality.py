"""The quality that stands for a source's: the same as trying all of them, in few encodings."""

import numpy as np
import pytest

from unlearn.photos.codecs import _quality

ENCODINGS = 12  # at most: the guesses, the halvings after them, and both ends


def files(seed: int) -> list[int]:
    """Bytes that grow with quality, by steps of very different size."""
    generator = np.random.default_rng(seed)
    growth = generator.exponential(generator.choice([0.002, 0.03, 0.4]), _quality.HIGHEST + 1)
    return [int(size) for size in 100 * np.exp(np.minimum(np.cumsum(growth), 30)) + np.arange(len(growth))]


@pytest.mark.parametrize("seed", range(40))
def test_the_nearest_quality_of_all_is_found_in_few_encodings(seed: int) -> None:
    sizes, tried = files(seed), []

    def encoded(quality: int) -> int:
        tried.append(quality)
        return sizes[quality]

    for target in (0.0, float(sizes[80]), sizes[20] * 1.01, sizes[97] * 0.99, sizes[-1] * 3.0):
        tried.clear()
        found = _quality.nearest(target, encoded)
        among = range(_quality.LOWEST, _quality.HIGHEST + 1)
        assert abs(sizes[found] - target) == min(abs(sizes[quality] - target) for quality in among)
        assert len(set(tried)) <= ENCODINGS


def test_a_usual_quality_takes_three_encodings() -> None:
    tried = set()

    def encoded(quality: int) -> int:
        tried.add(quality)
        return int(100_000 * np.exp(_quality.GROWTH * quality))

    assert _quality.nearest(encoded(_quality.USUAL), encoded) == _quality.USUAL
    assert len(tried) <= 3
