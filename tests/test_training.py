"""The supervised loop and the networks it trains."""

import numpy as np
import pytest
import torch
from conftest import make_dataset
from torch import nn

from unlearn import augmentation, efficientnet, registry, training
from unlearn.crafting.folding import folded
from unlearn.errors import UnknownName
from unlearn.randomness import Draws
from unlearn.settings import SGD, Training

# Parameters of the CIFAR variants for 10 classes; ResNet-18's 11,173,962 is the published count. DenseNet has 128
# more than the usual CIFAR variant's 6,956,298: torchvision normalizes after the stem. EfficientNet-Lite0 has 4,652,008
# with its 1,000 classes, 1,281 a class in the head.
PARAMETERS = {
    "resnet18": 11_173_962,
    "resnet50": 23_520_842,
    "densenet121": 6_956_426,
    "vgg11": 9_231_114,
    "efficientnet_lite0": 4_652_008 - 990 * 1_281,
    "prescreen_airbench94": 1_972_792,
}


def batches(samples: int = 90) -> training.Batches:
    data = make_dataset(samples)
    return training.Batches(*(torch.from_numpy(a) for a in (data.images, data.labels, data.keys)))


def test_training_learns() -> None:
    network = training.build("small_cnn", 3, (3, 16, 16), 0)
    curve = training.train(network, batches(), Training(epochs=5, batch_size=30, augment=()), 0)
    assert curve.train[-1] > 0.95
    assert len(curve.train) == 5


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_networks_have_their_known_size(name: str) -> None:
    network = training.build(name, 10, (3, 32, 32), 0)
    assert sum(weight.numel() for weight in network.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", registry.networks())
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 96, 64)])
def test_networks_take_gray_colour_and_large_images(name: str, shape: tuple[int, int, int]) -> None:
    network = training.build(name, 7, shape, 0).eval()
    assert network(torch.rand(2, *shape)).shape == (2, 7)


@pytest.mark.parametrize("name", registry.networks())
def test_folding_keeps_the_logits(name: str) -> None:
    network = training.build(name, 5, (3, 32, 32), 0)
    network.train()
    with torch.no_grad():
        network(torch.rand(8, 3, 32, 32))  # running statistics that are not the initial ones
    images = torch.rand(4, 3, 32, 32)
    frozen = folded(network)
    with torch.no_grad():
        expected, found = network.eval()(images), frozen(images)
    assert (found - expected).abs().max() <= 1e-5 * max(1.0, float(expected.abs().max()))
    assert not any(weight.requires_grad for weight in frozen.parameters())


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "before", "after"),
    [(8, 3, 2, 0, 1), (7, 3, 2, 1, 1), (8, 5, 2, 1, 2), (7, 5, 1, 2, 2), (1, 3, 2, 1, 1)],
)
def test_efficientnet_pads_as_tensorflow(side: int, kernel: int, stride: int, before: int, after: int) -> None:
    padded = efficientnet._padded(torch.ones(1, 1, side, side), kernel, stride)[0, 0]
    assert padded.shape == (side + before + after,) * 2
    rows = torch.nonzero(padded.sum(1)).flatten()
    assert (int(rows[0]), int(rows[-1])) == (before, before + side - 1)


def test_unknown_networks_are_named_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean resnet18"):
        training.build("resnet19", 10, (3, 32, 32), 0)


def test_weights_come_from_the_seed_alone() -> None:
    first = training.build("small_cnn", 3, (3, 16, 16), 5)
    torch.manual_seed(123)
    state = torch.get_rng_state()
    second = training.build("small_cnn", 3, (3, 16, 16), 5)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_every_sample_is_seen_once_an_epoch_and_the_order_changes() -> None:
    keys = torch.arange(65)
    first, second = (training.epoch_batches(keys, 32, 0, epoch) for epoch in (0, 1))
    assert sorted(torch.cat(first).tolist()) == list(range(65))
    assert [len(batch) for batch in first] == [32, 33]
    assert not torch.equal(torch.cat(first), torch.cat(second))


def test_crops_are_shifted_copies() -> None:
    images = torch.rand(40, 3, 8, 8)
    cropped = augmentation.random_crop(images, Draws(0, 0, torch.arange(40)), 2)
    padded = nn.functional.pad(images, (2, 2, 2, 2))
    for image, cut in zip(padded, cropped, strict=True):
        windows = image.unfold(1, 8, 1).unfold(2, 8, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
        assert (windows == cut).flatten(1).all(1).any()


def test_augmentation_does_not_depend_on_the_batch() -> None:
    images, keys = torch.rand(6, 3, 8, 8), torch.arange(6)
    whole = augmentation.standard_augmentation(images, Draws(0, 3, keys), Training())
    part = augmentation.standard_augmentation(images[2:4], Draws(0, 3, keys[2:4]), Training())
    assert torch.equal(whole[2:4], part)


def test_cosine_schedule_ends_near_zero() -> None:
    rates = [training.learning_rate(Training(), step, 100) for step in range(100)]
    assert rates[0] == 0.1
    assert rates[50] == pytest.approx(0.05)
    assert rates[-1] < 1e-4
    assert training.learning_rate(Training(schedule="constant", sgd=SGD(lr=0.3)), 99, 100) == 0.3


def test_accuracy_counts_every_image() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    images = torch.randint(0, 256, (1001, 3, 2, 2), dtype=torch.uint8)
    labels = training.predictions(network, images)
    labels[:100] = 1 - labels[:100]
    assert training.accuracy(network, images, labels) == pytest.approx(901 / 1001)
    assert np.isfinite(float(labels.float().mean()))
