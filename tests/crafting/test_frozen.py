"""Noise on frozen networks: it goes on where it was stopped, with the same networks, in every method that uses it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import make_dataset, stopping
from methods.contract import problem, small

from unlearn.crafting import ensemble
from unlearn.crafting.checkpoint import Checkpoints
from unlearn.crafting.problem import ROWS
from unlearn.errors import Interrupted, OutputError
from unlearn.methods.dune import Dune
from unlearn.methods.ntga import NTGA
from unlearn.methods.sep import SEP
from unlearn.methods.tap import TAP
from unlearn.methods.uc import UC
from unlearn.pgd import PGD

METHODS = {
    "tap": small(TAP(restarts=1, batch_size=16)),
    "sep": small(SEP(networks=2, align=True, inner=1, batch_size=16)),
    "dune": small(Dune(networks=2, shift=1, judges=4, particles=2, rounds=2, batch_size=16)),
    "ntga": NTGA(PGD(2 / 255, 2), kernel="dense", block_size=12, judges=20),
    "uc": small(UC(clusters=3, passes=2, batch_size=16)),
}
EPOCHS = {"ntga": 0}  # of the others: two, and each asks whether to stop


@pytest.mark.parametrize("later", [1, 2])
@pytest.mark.parametrize("name", METHODS)
def test_stopped_it_goes_on_to_the_same_noise(name: str, later: int, tmp_path: Path) -> None:
    method, setting = METHODS[name], problem(make_dataset(40), "sample-wise")
    checkpoints = Checkpoints(tmp_path, every=1e9)
    question = EPOCHS.get(name, 2) + later
    with pytest.raises(Interrupted, match="goes on from it"):
        method.craft(replace(setting, workers=stopping(question), checkpoints=checkpoints))
    assert torch.equal(method.craft(replace(setting, checkpoints=checkpoints)).delta, method.craft(setting).delta)


def test_networks_are_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setting = replace(problem(make_dataset(40), "sample-wise"), checkpoints=Checkpoints(tmp_path))
    settings = METHODS["tap"].pretrain
    first = ensemble.snapshots(setting, settings, 2)

    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(ensemble, "train_surrogate", refuse)
    again = ensemble.snapshots(setting, settings, 2)
    for one, other in zip(first, again, strict=True):
        states = one.state_dict(), other.state_dict()
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    with pytest.raises(OutputError, match="not the networks of this run"):
        ensemble.snapshots(replace(setting, data=make_dataset(40, classes=4)), settings, 1)


@pytest.mark.parametrize("name", METHODS)
def test_unprotected_samples_have_no_noise(name: str) -> None:
    data = make_dataset(40)
    mask = np.arange(40) % 2 == 0
    setting = replace(problem(data, "sample-wise"), row=ROWS["sample-wise"](data.labels, mask))
    made = METHODS[name].craft(setting)
    assert np.array_equal(made.protected(np.arange(40)), mask)
    pixels = made.apply_pixels(data.images, np.arange(40))
    assert np.array_equal(pixels[~mask], data.images[~mask])
    assert (pixels[mask] != data.images[mask]).any()
