"""The robust loop: who computes what does not matter, it resumes, and every part of its objective has an effect."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import SOURCE_TREE, make_dataset, stopping, unlearn
from torch import Tensor, nn

from unlearn import training
from unlearn.crafting import robust as loop
from unlearn.crafting.checkpoint import Checkpoints
from unlearn.crafting.domain import Band
from unlearn.crafting.problem import ROWS, Problem
from unlearn.crafting.robust import Bench, Disturb, adversary, robust, uniform_noise
from unlearn.crafting.robustness import Robustness
from unlearn.crafting.schedule import Surrogate
from unlearn.crafting.views import Views
from unlearn.crafting.workers import Workers
from unlearn.datasets import ImageDataset
from unlearn.errors import Interrupted
from unlearn.perturbation import Additive
from unlearn.pgd import PGD
from unlearn.randomness import Draws
from unlearn.settings import SGD
from unlearn.stretched import Stretched

SETTINGS = Robustness(
    steps=3,
    batch_size=80,
    decay_every=2,
    radius=2 / 255,
    attack=PGD(1 / 255, 1, random_start=True),
    samples=1,
    crop_padding=2,
)
MOVES = PGD(2 / 255, 2)
DATA = make_dataset(170, size=8, contrast=10)


def problem(data: ImageDataset = DATA, rows: str = "sample-wise", **changes: object) -> Problem:
    row = ROWS[rows](data.labels, np.ones(len(data), dtype=bool))
    return replace(Problem(data, row, 8 / 255, Surrogate("small_cnn", SGD(lr=0.05, clip=1.0))), **changes)


def craft(setting: Problem, settings: Robustness = SETTINGS) -> Additive | Stretched:
    return robust(setting, settings, MOVES, adversary(settings))


@pytest.mark.parametrize("rows", ["sample-wise", "class-wise"])
def test_budget_and_rows(rows: str) -> None:
    made = craft(problem(rows=rows))
    assert len(made.delta) == {"sample-wise": 170, "class-wise": 3}[rows]
    assert 0 < int(made.delta.abs().max()) <= 8


def test_the_channel_is_in_the_loop_and_none_by_default() -> None:
    """In gray a channel's noise is worth its share of the luminance only, so that the three move as one."""
    whole = replace(SETTINGS, augment=())  # no pixel is cropped away
    plain, same, gray = (
        robust(problem(), settings, PGD(16 / 255, 1), adversary(settings)).delta
        for settings in (whole, replace(whole, channel=Views()), replace(whole, channel=Views(grayscale=1.0)))
    )
    assert torch.equal(same, plain)
    agree = [float((d[:, 0].sign() == d[:, 1].sign()).float().mean()) for d in (gray, plain)]
    assert agree[0] > 0.9 > agree[1]


class Team:
    """Two processes played by two threads: what one sends reaches the other in place."""

    def __init__(self, world: int = 2) -> None:
        self.world = world
        self.barrier = threading.Barrier(world, timeout=120)
        self.sent: dict[int, Any] = {}

    def exchange(self, rank: int, value: Any) -> list[Any]:
        self.sent[rank] = value
        self.barrier.wait()
        everything = [self.sent[other] for other in range(self.world)]
        self.barrier.wait()
        return everything

    def member(self, rank: int) -> Workers:
        team = self

        class Member(Workers):
            def share(self, results: Tensor, spans: Sequence[range]) -> None:
                for other, span in zip(team.exchange(rank, results.clone()), spans, strict=True):
                    results[span.start : span.stop] = other[span.start : span.stop]

            def total(self, value: int) -> int:
                return sum(team.exchange(rank, value))

        return Member(torch.device("cpu"), rank=rank, world=self.world)


@pytest.mark.parametrize("rows", ["sample-wise", "class-wise"])
def test_two_processes_make_the_noise_of_one(rows: str, monkeypatch: pytest.MonkeyPatch) -> None:
    team, made, lock, build = Team(), {}, threading.Lock(), training.build

    def one_at_a_time(*arguments: Any) -> nn.Module:
        with lock:  # initial weights come from the one generator that threads, unlike processes, share
            return build(*arguments)

    monkeypatch.setattr(training, "build", one_at_a_time)

    def work(rank: int) -> None:
        made[rank] = craft(problem(rows=rows, workers=team.member(rank)))

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = craft(problem(rows=rows))
    assert torch.equal(made[0].delta, alone.delta)
    assert torch.equal(made[1].delta, alone.delta)


def test_threads_and_the_order_of_the_data_do_not_matter() -> None:
    order = np.random.default_rng(0).permutation(len(DATA))
    one = craft(problem())
    assert torch.equal(craft(problem(workers=Workers(torch.device("cpu"), threads=3))).delta, one.delta)
    assert torch.equal(craft(problem(DATA.take(order))).delta, one.delta[order])


@pytest.mark.parametrize("rows", ["sample-wise", "class-wise"])
@pytest.mark.parametrize("question", [1, 3, 4])
def test_stopped_anywhere_it_goes_on_to_the_same_noise(rows: str, question: int, tmp_path: Path) -> None:
    """Asked after every step (three) and after every batch of the last pass (three)."""
    checkpoints = Checkpoints(tmp_path, every=1e9)
    with pytest.raises(Interrupted, match="goes on from it"):
        craft(problem(rows=rows, workers=stopping(question), checkpoints=checkpoints))
    resumed = craft(problem(rows=rows, checkpoints=Checkpoints(tmp_path, every=1e9)))
    assert torch.equal(resumed.delta, craft(problem(rows=rows)).delta)


def bench(setting: Problem, disturb: Disturb, settings: Robustness = SETTINGS) -> Bench:
    network = setting.network()
    return Bench(
        setting,
        MOVES,
        settings,
        disturb,
        setting.noise(MOVES.step_size),
        network,
        torch.optim.SGD(network.parameters(), 0.1),
    )


def test_the_last_pass_covers_every_sample() -> None:
    """The paper's code leaves out what does not fill a batch."""
    made = craft(problem(), replace(SETTINGS, steps=1))
    assert (made.delta.flatten(1).abs().amax(1) >= 4).all()


def test_learning_rate_decays_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    real = training.update

    def update(network: nn.Module, optim: torch.optim.SGD, loss: Tensor, clip: float) -> None:
        rates.append(optim.param_groups[0]["lr"])
        real(network, optim, loss, clip)

    monkeypatch.setattr(training, "update", update)
    craft(problem(), replace(SETTINGS, steps=5))
    assert rates == pytest.approx([0.05, 0.05, 0.005, 0.005, 0.0005])


def test_unprotected_samples_stay_clean_but_are_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.arange(len(DATA)) % 2 == 0
    row = ROWS["sample-wise"](DATA.labels, mask)
    seen: list[Tensor] = []
    real = loop._batch

    def batch(bench: Bench, step: int) -> Tensor:
        seen.append(real(bench, step))
        return seen[-1]

    monkeypatch.setattr(loop, "_batch", batch)
    made = craft(problem(row=row))
    assert np.array_equal(made.protected(np.arange(len(DATA))), mask)
    pixels = made.apply_pixels(DATA.images, np.arange(len(DATA)))
    assert np.array_equal(pixels[~mask], DATA.images[~mask])
    assert (row[torch.cat(seen).numpy()] < 0).any()


def test_the_gradient_passes_through_the_transformation() -> None:
    """A network that looks at the left half only: mirror images send the gradient to the right half."""

    class Left(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            left = images[..., :4].mean((2, 3))
            return torch.stack([left.sum(1), -left.sum(1)], 1)

    setting = problem()
    settings = replace(SETTINGS, augment=("flip",))
    looking = replace(bench(setting, lambda network, images, labels, draws: images, settings), network=Left())
    images = torch.full((40, 3, 8, 8), 0.5)
    draws = Draws(0, -1, torch.arange(40))
    gradient = loop._gradient(looking, images, torch.zeros(40, 3, 8, 8), torch.zeros(40, dtype=torch.int64), draws)
    mirrored = draws.uniform("flip") < 0.5
    assert 0 < int(mirrored.sum()) < 40
    reached = gradient.abs().sum((1, 2)) > 0
    assert (reached[:, 4:].all(1) == mirrored).all()
    assert (reached[:, :4].all(1) == ~mirrored).all()


def test_the_gradient_is_taken_at_the_disturbed_image() -> None:
    class Square(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1).square().sum(1, keepdim=True) * torch.tensor([1.0, 0.0])

    setting = problem()
    settings = replace(SETTINGS, augment=())

    def shifted(network: nn.Module, images: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        return images + 0.25

    looking = replace(bench(setting, shifted, settings), network=Square())
    images = torch.full((1, 1, 1, 1), 0.5)
    found = loop._gradient(looking, images, torch.zeros(1, 1, 1, 1), torch.tensor([1]), Draws(0, -1, torch.arange(1)))
    at = torch.full((1, 1), 0.75, requires_grad=True)
    logits = torch.cat([at.square(), torch.zeros(1, 1)], 1)
    (expected,) = torch.autograd.grad(F.cross_entropy(logits, torch.tensor([1])), at)
    assert float(found) == pytest.approx(float(expected))


def test_adversary_raises_the_loss_within_its_radius() -> None:
    setting = problem()
    network, labels = setting.network().eval(), setting.batches.labels
    images = training.to_float(setting.batches.images)
    draws = Draws(0, 0, setting.batches.keys)
    worst = adversary(replace(SETTINGS, attack=PGD(1 / 255, 4)))(network, images, labels, draws)
    stable = uniform_noise(SETTINGS)(network, images, labels, draws)
    for changed in (worst, stable):
        assert 1.9 / 255 < float((changed - images).abs().max()) <= 2.001 / 255
        assert 0 <= float(changed.min()) <= float(changed.max()) <= 1
    with torch.no_grad():
        losses = [float(F.cross_entropy(network(each), labels)) for each in (images, stable, worst)]
    assert losses[2] - losses[0] > 5 * abs(losses[1] - losses[0])


def test_noise_may_live_on_a_coarse_grid() -> None:
    made = craft(problem(domain=Band(cells=4)))
    assert isinstance(made, Stretched)
    assert made.delta.shape == (170, 1, 4, 4)
    assert 0 < int(made.delta.abs().max()) <= 8 * 256


QUICK = (
    "~data.path",
    "~data.expects",
    "data.source=embedded",
    "data.train_samples=96",
    "surrogate.network=small_cnn",
    "method.robustness.steps=4",
    "method.robustness.batch_size=80",
    "method.robustness.samples=1",
    "method.robustness.attack.steps=1",
    "method.pgd.steps=2",
)


@pytest.mark.slow
def test_two_real_processes_write_the_bytes_of_one(tmp_path: Path) -> None:
    alone = unlearn("craft", "rem", *QUICK, "--out", tmp_path / "1")
    assert alone.returncode == 0, alone.stderr
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    command = [*launcher, "-m", "unlearn", "craft", "rem", *QUICK, "--out", str(tmp_path / "2")]
    started = subprocess.run(command, env=SOURCE_TREE, capture_output=True, text=True, timeout=500)
    assert started.returncode == 0, started.stdout + started.stderr
    one, two = ((tmp_path / name / "perturbation.safetensors").read_bytes() for name in "12")
    assert one == two
