"""Average linkage without the matrix of all pairs: equal to the textbook's, whatever the order, and quick."""

import time

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from unlearn.people.linkage import Vectors, groups


def faces(count: int, people: int, size: int, noise: float, seed: int = 0) -> tuple[Vectors, np.ndarray]:
    """Unit vectors around the centers of persons, some of whom have many, and strangers; and who they are."""
    generator = np.random.default_rng(seed)
    centers = generator.normal(size=(people, size))
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    who = generator.zipf(1.6, size=count) % people
    spread = noise * (0.5 + generator.random((count, 1))) / np.sqrt(size)
    found = centers[who] + spread * generator.normal(size=(count, size))
    strangers = generator.random(count) < 0.15
    found[strangers] = generator.normal(size=(strangers.sum(), size))
    who = np.where(strangers, -1 - np.arange(count), who)
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32), who


def same(numbers: np.ndarray) -> np.ndarray:
    return numbers[:, None] == numbers[None]


@pytest.mark.parametrize(("count", "size", "noise"), [(40, 8, 0.6), (900, 16, 0.6), (1200, 64, 0.9), (1000, 128, 1.2)])
def test_equal_to_scipy(count: int, size: int, noise: float) -> None:
    features, _ = faces(count, max(3, count // 30), size, noise, seed=count)
    distance = 1 - features.astype(float) @ features.T.astype(float)
    np.fill_diagonal(distance, 0)
    textbook = fcluster(linkage(squareform(distance, checks=False), "average"), 0.5, "distance")
    np.testing.assert_array_equal(same(groups(features, 0.5)), same(textbook))


def test_three_persons_and_strangers() -> None:
    features, who = faces(60, 3, 64, 0.5)
    np.testing.assert_array_equal(same(groups(features, 0.5)), same(who))


def test_the_order_does_not_matter() -> None:
    features, _ = faces(500, 20, 32, 0.8)
    order = np.random.default_rng(1).permutation(500)
    np.testing.assert_array_equal(same(groups(features, 0.5))[np.ix_(order, order)], same(groups(features[order], 0.5)))


def test_numbers_follow_the_rows() -> None:
    features = np.eye(3, dtype=np.float32)[[2, 0, 2, 1, 0]]
    assert groups(features, 0.5).tolist() == [0, 1, 0, 2, 1]


def test_copies_of_one_face() -> None:
    features = np.repeat(np.eye(3, dtype=np.float32), [200, 1, 50], axis=0)
    assert np.bincount(groups(features, 0.9)).tolist() == [200, 1, 50]


def test_nothing_one_and_thresholds_that_join_or_split_everything() -> None:
    features, _ = faces(50, 3, 16, 0.5)
    assert len(groups(np.zeros((0, 4), np.float32), 0.5)) == 0
    assert groups(features[:1], 0.5).tolist() == [0]
    assert set(groups(features, -1.0)) == {0}
    assert len(set(groups(features, 1.1))) == 50


def test_one_chain_of_faces_is_not_one_person() -> None:
    angles = np.linspace(0, np.pi, 100)
    features = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    assert len(set(groups(features, 0.8))) > 1


def test_what_advance_is_told_adds_up_and_stops() -> None:
    features, _ = faces(300, 10, 32, 0.8)
    told: list[int] = []
    groups(features, 0.5, told.append)
    assert sum(told) == 300

    def stop(done: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        groups(features, 0.5, stop)


def test_many_faces_take_seconds() -> None:
    features, _ = faces(6000, 200, 128, 0.9)
    begun = time.perf_counter()
    found = groups(features, 0.5)
    assert time.perf_counter() - begun < 20
    assert len(found) == 6000
