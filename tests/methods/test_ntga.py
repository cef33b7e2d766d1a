"""NTGA: its contract, its claim, steps that build on each other, blocks and their judges, its recipes."""

from dataclasses import replace

import pytest
import torch
from conftest import make_dataset
from methods import trained
from methods.contract import check, problem

from unlearn import memory, recipe
from unlearn.crafting.workers import alone
from unlearn.errors import DataError
from unlearn.methods.ntga import NTGA
from unlearn.pgd import PGD

STEPS = PGD(1.6 / 255, 6)
KERNELS = ["dense", "convolutional"]


@pytest.mark.parametrize("kernel", KERNELS)
def test_contract(kernel: str) -> None:
    check(NTGA(kernel=kernel, block_size=30, judges=40, judges_at_once=25), "sample-wise")


def test_one_level_of_gray() -> None:
    check(NTGA(block_size=30, judges=40, pgd=PGD(1 / 255, 2)), "sample-wise", 1 / 255, channels=1)


@pytest.mark.parametrize("kernel", KERNELS)
def test_claim_a_victim_does_not_generalize(kernel: str) -> None:
    """At most half of the clean accuracy of a small CNN, which neither of the two kernels is one of.

    On the embedded set there is nothing to claim: the kernels' networks do not learn it. Trained on 400 of its images
    they predict at chance (0.18 of six classes), so their loss has nowhere to climb, and victims learn as from clean
    images (0.92 of 0.94). The same networks are right on 0.2 of CIFAR-10 (JPEG q75) after 400 images.
    """
    method = NTGA(STEPS, kernel=kernel, block_size=60, judges=60)
    found = trained.learned_from(method, trained.QUADRANTS, trained.SHORT)
    assert found < trained.clean("quadrants") / 2


def test_steps_build_on_each_other() -> None:
    """The released code repeats its first step; here the loss on the judges climbs further with every one."""
    from torch.nn.functional import cross_entropy, one_hot

    from unlearn import training
    from unlearn.crafting import tangent

    setting = problem(make_dataset(60, contrast=20), "sample-wise")
    data, kernel, losses = setting.batches, tangent.KERNELS["dense"], []
    for steps in (1, 3, 6):
        method = NTGA(PGD(1.6 / 255, steps), kernel="dense", block_size=30, judges=30)
        block = method._blocks(setting)[0]
        judges = method._judges(setting, block)
        noisy = (training.to_float(data.images[block]) + method._climbed(setting, block)).double()
        weights = tangent.coefficients(kernel(noisy, noisy), one_hot(data.labels[block], 3).double(), method.time)
        logits = kernel(training.to_float(data.images[judges]).double(), noisy) @ weights
        losses.append(float(cross_entropy(logits, data.labels[judges])))
    assert losses[0] < losses[1] < losses[2]


def test_blocks_hold_every_sample_once_and_judges_none_of_theirs() -> None:
    setting = problem(make_dataset(50), "sample-wise")
    method = NTGA(block_size=20, judges=25)
    blocks = method._blocks(setting)
    assert sorted(torch.cat(blocks).tolist()) == list(range(50))
    assert all(len(block) <= 20 for block in blocks)
    for block in blocks:
        judges = method._judges(setting, block)
        assert len(judges.unique()) == 25
        assert not set(judges.tolist()) & set(block.tolist())


def test_threads_and_parts_do_not_matter() -> None:
    setting = problem(make_dataset(60, contrast=20), "sample-wise")
    method = NTGA(PGD(2 / 255, 2), kernel="dense", block_size=20, judges=30)
    one = method.craft(setting)
    assert torch.equal(one.delta, method.craft(replace(setting, workers=alone(threads=3))).delta)
    parted = replace(method, judges_at_once=7).craft(setting)
    assert (one.delta != parted.delta).float().mean() < 1e-3


def test_blocks_in_hand_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = problem(make_dataset(60, size=16), "sample-wise")
    setting = replace(setting, workers=alone(threads=4))
    method = NTGA(kernel="convolutional", block_size=20)
    each = 8 * 20 * 20 * 3 * 16 * 16
    for granted, expected in ((None, 4), (20 * each, 4), (5 * each, 2), (1, 1)):
        monkeypatch.setattr(memory, "granted", lambda granted=granted: granted)
        assert method._at_once(setting, 20) == expected


def test_a_single_sample_is_refused() -> None:
    with pytest.raises(DataError, match="two samples or more"):
        NTGA().craft(problem(make_dataset(1), "sample-wise"))


@pytest.mark.parametrize("name", ["ntga", "cifar10-ntga-dense", "small/ntga"])
def test_recipes(name: str) -> None:
    assert isinstance(recipe.load(name).method, NTGA)


def test_the_released_settings() -> None:
    """t = 64, blocks of 512, 10 steps of 1.1 / 10 of 8/255."""
    assert recipe.load("ntga").method == NTGA(PGD(0.88 / 255, 10), "convolutional", 64.0, 512)
