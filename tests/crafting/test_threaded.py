"""The fast mode: folding and casting change nothing they should not, threads do not matter, the budget holds."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import make_dataset, stopping
from torch import Tensor, nn

from unlearn import mixed_precision, pgd, randomness, recipe, training
from unlearn.crafting.alternate import alternate
from unlearn.crafting.checkpoint import Checkpoints
from unlearn.crafting.folding import folded
from unlearn.crafting.pretrain import train_surrogate
from unlearn.crafting.problem import ROWS, Problem
from unlearn.crafting.schedule import Schedule, Surrogate
from unlearn.crafting.threaded import PART, threaded
from unlearn.crafting.workers import Workers
from unlearn.datasets import ImageDataset
from unlearn.errors import Interrupted
from unlearn.perturbation import Additive
from unlearn.pgd import PGD
from unlearn.settings import SGD, Training

SCHEDULE = Schedule(4, 2 * PART + 8, 50, min_rounds=3, max_rounds=3)  # no early end: `reference` has none
STEPS = PGD(step_size=2 / 255, steps=2)
FAST = torch.bfloat16


def problem(data: ImageDataset, rows: str = "sample-wise", **changes: object) -> Problem:
    row = ROWS[rows](data.labels, np.ones(len(data), dtype=bool))
    return replace(Problem(data, row, 8 / 255, Surrogate("small_cnn"), precision=FAST), **changes)


def craft(data: ImageDataset, rows: str = "sample-wise", **changes: object) -> Additive:
    made = alternate(problem(data, rows, **changes), STEPS, SCHEDULE)
    assert isinstance(made, Additive)
    return made


def used(name: str) -> nn.Module:
    """A network whose running statistics are not the initial ones."""
    network = training.build(name, 5, (3, 32, 32), 0)
    network.train()
    with torch.no_grad():
        network(torch.rand(8, 3, 32, 32))
    return network.eval()


@pytest.mark.parametrize("name", ["small_cnn", "resnet18", "densenet121"])
def test_weights_cast_once_give_the_bits_of_mixed_precision(name: str) -> None:
    network, images = used(name), training.to_float(torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8))
    found = []
    for frozen in (folded(network), folded(network, FAST)):
        held = images.clone().requires_grad_()
        with mixed_precision.autocast(torch.device("cpu"), FAST):
            loss = F.cross_entropy(frozen(held), torch.tensor([0, 1, 2]), reduction="sum")
        found.append((loss.detach(), torch.autograd.grad(loss, held)[0]))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def test_threads_fold_and_call_networks_at_the_same_time() -> None:
    """torch.fx replaces nn.Module.__call__ for the whole process while it traces."""
    before, network, images = nn.Module.__call__, used("small_cnn"), torch.rand(2, 3, 32, 32)
    expected = network(images)

    def work(number: int) -> bool:
        return (
            torch.equal(network(images), expected) if number % 2 else isinstance(folded(used("small_cnn")), nn.Module)
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(80)))
    assert nn.Module.__call__ is before


def gradients(network: nn.Module, images: Tensor, precision: torch.dtype, threads: int = 0) -> list[Tensor]:
    """Of all weights, with convolutions dealt to so many threads; 0: not dealt."""
    labels = torch.arange(len(images)) % 5
    torch.manual_seed(0)  # dropout
    with threaded(Workers(torch.device("cpu"), threads=threads)) if threads else nullcontext():
        with mixed_precision.autocast(torch.device("cpu"), precision):
            loss = F.cross_entropy(network(images), labels)
        return list(torch.autograd.grad(loss, list(network.parameters())))


@pytest.mark.parametrize(
    ("name", "side"),
    [
        *(("small_cnn", 32), ("resnet18", 32), ("densenet121", 16), ("vgg11", 32), ("efficientnet_lite0", 32)),
        pytest.param("densenet121", 32, marks=pytest.mark.slow),
    ],
)
def test_float32_convolutions_by_parts_have_the_bits_of_the_whole(name: str, side: int) -> None:
    """Strides, 1x1 kernels, groups, a last part cut short: no sum is divided."""
    torch.set_num_threads(1)
    network = used(name).train()
    images = torch.rand(PART + 5, 3, side, side)
    plain = gradients(network, images, torch.float32)
    for threads in (1, 2):
        parts = gradients(network, images, torch.float32, threads)
        assert all(torch.equal(one, other) for one, other in zip(plain, parts, strict=True))


def grouped() -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(4, 8, 3, padding="same", groups=2), nn.Conv2d(8, 40, 3, groups=4, dilation=2))
    return network.extend([nn.Conv2d(40, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()])


@pytest.mark.parametrize(("precision", "error"), [(torch.float32, 1e-6), (FAST, 0.03)])
@pytest.mark.parametrize("samples", [3, 2 * PART + 1])
def test_biases_groups_and_small_batches_too(samples: int, precision: torch.dtype, error: float) -> None:
    network, images = grouped(), torch.rand(samples, 4, 9, 9)
    plain, parts = gradients(network, images, precision), gradients(network, images, precision, 3)
    for one, other in zip(plain, parts, strict=True):
        assert (one - other).norm() <= error * one.norm()


@pytest.mark.parametrize("rows", ["sample-wise", "class-wise"])
def test_threads_do_not_matter(rows: str) -> None:
    data = make_dataset(150)
    one, three = (craft(data, rows, workers=Workers(torch.device("cpu"), threads=n)) for n in (1, 3))
    assert torch.equal(one.delta, three.delta)


@pytest.mark.parametrize("rows", ["sample-wise", "class-wise"])
@pytest.mark.parametrize("epsilon", [1 / 255, 8 / 255])
def test_the_budget_holds(rows: str, epsilon: float) -> None:
    data = make_dataset(120, contrast=20)
    made = craft(data, rows, epsilon=epsilon)
    pixels = made.apply_pixels(data.images, np.arange(len(data)))
    assert 0 < np.abs(pixels.astype(int) - data.images).max() <= round(epsilon * 255)


def test_stopped_it_goes_on_to_the_same_noise(tmp_path: Path) -> None:
    data = make_dataset(120)
    with pytest.raises(Interrupted):
        craft(data, workers=stopping(7), checkpoints=Checkpoints(tmp_path, every=1e9))
    resumed = craft(data, checkpoints=Checkpoints(tmp_path, every=1e9))
    assert torch.equal(resumed.delta, craft(data).delta)


def test_threads_do_not_matter_to_a_surrogate_trained_before() -> None:
    found = []
    for threads in (1, 3):
        setting = problem(make_dataset(150), workers=Workers(torch.device("cpu"), threads=threads))
        network = setting.network()
        with setting.workers.pinned():
            train_surrogate(setting, network, Training(epochs=2, batch_size=2 * PART, augment=()))
        found.append(list(network.state_dict().values()))
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def reference(data: ImageDataset) -> Tensor:
    """EM's loop as the paper writes it, without the engine: float32, tasks of 64, one thread; levels (N, C, H, W)."""
    batches = training.Batches(*(torch.from_numpy(a) for a in (data.images, data.labels, data.keys)))
    network = training.build("small_cnn", data.classes, data.images.shape[1:], 0)
    optim = torch.optim.SGD(network.parameters(), 0.1, 0.9, weight_decay=5e-4)
    noise = torch.zeros(data.images.shape)
    for round_ in range(SCHEDULE.max_rounds):
        for step in range(round_ * SCHEDULE.train_steps, (round_ + 1) * SCHEDULE.train_steps):
            epoch, number = divmod(step, len(data) // SCHEDULE.batch_size)
            order = randomness.permutation(0, "surrogate", epoch, batches.keys)
            index = order.split(SCHEDULE.batch_size)[number]
            network.train()
            noisy = (training.to_float(batches.images[index]) + noise[index]).clamp(0.0, 1.0)
            training.update(network, optim, F.cross_entropy(network(noisy), batches.labels[index]), 5.0)
        frozen = folded(network)
        for batch in randomness.permutation(0, "noise", round_, batches.keys).split(SCHEDULE.pgd_batch_size):
            clean = training.to_float(batches.images[batch])
            held = pgd.project(noise[batch], clean, 8 / 255)
            for _ in range(STEPS.steps):
                held.requires_grad_()
                loss = F.cross_entropy(frozen(clean + held), batches.labels[batch], reduction="sum")
                (gradient,) = torch.autograd.grad(loss, held)
                held = pgd.step(held.detach(), gradient, clean, 8 / 255, STEPS.step_size)
            noise[batch] = (held * 255).round() * (1 / 255)  # steps of two levels: whole levels
    return (noise * 255).round().to(torch.int8)


def test_float32_stays_what_it_was() -> None:
    """The reference mode has the bytes of the plain loop, though its convolutions are dealt to threads."""
    torch.set_num_threads(1)
    data = make_dataset(150)
    for threads in (1, 2, 3):
        made = craft(data, precision=torch.float32, workers=Workers(torch.device("cpu"), threads=threads))
        assert torch.equal(made.delta, reference(data))


def test_nothing_is_replaced_on_other_devices() -> None:
    images, layer = torch.rand(2 * PART, 3, 8, 8), nn.Conv2d(3, 4, 3)
    for device, dealt in (("cpu", True), ("cuda", False)):
        with threaded(Workers(torch.device(device))):
            assert ("_Convolution" in str(layer(images).grad_fn)) == dealt


def test_the_optimizer_is_fused_in_the_fast_mode_only() -> None:
    network = training.build("small_cnn", 3, (3, 16, 16), 0)
    fused = [training.optimizer(network, SGD(), each).defaults["fused"] for each in (torch.float32, FAST)]
    assert fused == [False, True]


def test_recipes_name_the_mode() -> None:
    assert recipe.load("em").precision == "auto"
    assert recipe.load("em", ["precision=bfloat16"]).precision == "bfloat16"
