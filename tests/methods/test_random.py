"""Random noise: its contract, its claim (it fills the budget evenly and knows nothing), its recipe."""

import numpy as np
from conftest import make_dataset
from methods.contract import check, problem

from unlearn import recipe
from unlearn.methods.random import Random


def test_contract() -> None:
    for rows in ("sample-wise", "class-wise"):
        check(Random(), rows)


def test_claim_uniform_over_the_budget() -> None:
    delta = Random().craft(problem(make_dataset(72), "sample-wise")).delta.numpy()
    shares = np.bincount(delta.ravel() + 8, minlength=17) / delta.size
    assert abs(float(delta.mean())) < 0.1
    assert shares[1:-1].min() > 0.9 / 16
    assert shares.max() < 1.1 / 16


def test_recipe() -> None:
    assert recipe.load("random").method == Random()
