"""The contract of every defense, and each one's own claim."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from unlearn import registry, training
from unlearn.defenses.adversarial import Adversarial
from unlearn.defenses.color_jitter import ColorJitter
from unlearn.defenses.cutout import Cutout
from unlearn.defenses.grayscale import Grayscale
from unlearn.defenses.jpeg import JPEG
from unlearn.defenses.mixup import Mixup
from unlearn.randomness import Draws

PIXELS = torch.randint(0, 256, (6, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
IMAGES, LABELS = PIXELS.float() / 255, torch.tensor([0, 1, 2, 0, 1, 2])
DRAWS = Draws(1, 2, torch.arange(6))
ALL = registry.names("defenses")


@pytest.fixture
def victim() -> nn.Module:
    return training.build("small_cnn", 3, (3, 32, 32), 0)


@pytest.mark.parametrize("name", ALL)
def test_contract(name: str, victim: nn.Module) -> None:
    defense = registry.load("defenses", name)()
    purified = defense.purify(PIXELS)
    assert (purified.shape, purified.dtype) == (PIXELS.shape, torch.uint8)
    images, labels = defense.augment(IMAGES, LABELS, DRAWS)
    assert images.shape == IMAGES.shape
    assert 0 <= float(images.min()) <= float(images.max()) <= 1
    victim.train()
    loss = defense.loss(victim, images, labels, DRAWS)
    loss.backward()
    assert torch.isfinite(loss)
    assert victim.training
    assert defense.label.startswith(name)


@pytest.mark.parametrize("name", ALL)
def test_the_same_draws_give_the_same_batch(name: str) -> None:
    defense = registry.load("defenses", name)()
    first, second = (defense.augment(IMAGES.clone(), LABELS, DRAWS)[0] for _ in "ab")
    assert torch.equal(first, second)
    assert torch.equal(defense.purify(PIXELS), defense.purify(PIXELS))


@pytest.mark.parametrize("name", ALL)
def test_inputs_are_not_changed_in_place(name: str) -> None:
    defense = registry.load("defenses", name)()
    pixels, images = PIXELS.clone(), IMAGES.clone()
    defense.purify(pixels)
    defense.augment(images, LABELS, DRAWS)
    assert torch.equal(pixels, PIXELS)
    assert torch.equal(images, IMAGES)


def test_jpeg_is_what_a_file_of_this_quality_holds() -> None:
    stream = io.BytesIO()
    Image.fromarray(PIXELS[0].numpy().transpose(1, 2, 0)).save(stream, "JPEG", quality=30)
    expected = np.asarray(Image.open(stream)).transpose(2, 0, 1)
    assert np.array_equal(JPEG(30).purify(PIXELS)[0].numpy(), expected)
    assert JPEG(30).label == "jpeg-30"


def test_jpeg_removes_fine_noise() -> None:
    flat = torch.full((1, 3, 32, 32), 128, dtype=torch.uint8)
    noisy = flat + (torch.arange(32) % 2 * 2).to(torch.uint8)
    assert JPEG(10).purify(noisy).float().std() < noisy.float().std() / 2


def test_grayscale_has_equal_channels_and_pillows_luma() -> None:
    gray = Grayscale().purify(PIXELS)
    assert torch.equal(gray[:, 0], gray[:, 1])
    pillow = np.asarray(Image.fromarray(PIXELS[0].numpy().transpose(1, 2, 0)).convert("L"))
    assert np.abs(gray[0, 0].numpy().astype(int) - pillow).max() <= 1
    assert torch.equal(Grayscale().purify(PIXELS[:, :1]), PIXELS[:, :1])


def test_cutout_zeroes_one_square_an_image_at_different_places() -> None:
    holes = Cutout(8).augment(torch.ones(200, 3, 32, 32), LABELS, Draws(0, 0, torch.arange(200)))[0] == 0
    areas = holes[:, 0].sum(dim=(1, 2))
    assert int(areas.max()) == 64
    assert int(areas.min()) >= 16
    assert torch.equal(holes[:, 0], holes[:, 2])
    assert len(torch.unique(holes[:, 0].flatten(1).float().argmax(1))) > 100


def test_mixup_shares_follow_their_distribution() -> None:
    draws = Draws(0, 0, torch.arange(4000))
    for alpha in (0.3, 1.0, 4.0):
        shares = Mixup(alpha)._shares(draws)
        assert abs(float(shares.mean()) - 0.5) < 0.03
        assert abs(float(shares.var()) - 1 / (4 * (2 * alpha + 1))) < 0.01


def test_mixup_loss_is_a_mixture(victim: nn.Module) -> None:
    """On two copies of one image the mixed image is that image, so that the loss is known."""
    victim.eval()
    images, labels = IMAGES[:1].repeat(2, 1, 1, 1), torch.tensor([1, 1])
    plain = nn.functional.cross_entropy(victim(images), labels)
    assert torch.allclose(Mixup().loss(victim, images, labels, Draws(0, 0, torch.arange(2))), plain, atol=1e-6)


def test_adversarial_finds_a_higher_loss_within_its_budget(victim: nn.Module) -> None:
    victim.eval()
    delta = Adversarial().attack(victim, IMAGES, LABELS, DRAWS)
    before, after = (nn.functional.cross_entropy(victim(x), LABELS) for x in (IMAGES, IMAGES + delta))
    assert float(after) > float(before)
    assert float(delta.abs().max()) <= 8 / 255 + 1e-6
    assert float((IMAGES + delta).min()) >= 0
    assert float((IMAGES + delta).max()) <= 1 + 1e-6
    assert Adversarial().label == "adversarial-8/255"


def test_adversarial_leaves_no_gradient_on_the_victim_from_its_search(victim: nn.Module) -> None:
    Adversarial().attack(victim, IMAGES, LABELS, DRAWS)
    assert all(weight.grad is None for weight in victim.parameters())


def test_color_jitter_drowns_a_tint_and_keeps_the_picture() -> None:
    images = IMAGES[:1].expand(300, -1, -1, -1) * 0.5 + 0.25
    jittered, _ = ColorJitter().augment(images, torch.zeros(300, dtype=torch.int64), Draws(0, 0, torch.arange(300)))
    moved = jittered.mean((2, 3)) - images.mean((2, 3))
    assert float(moved.std()) > 0.05  # more than twice 6/255
    centered = [part - part.mean((2, 3), keepdim=True) for part in (images, jittered)]
    alike = torch.nn.functional.cosine_similarity(*(part.flatten(1) for part in centered))
    assert float(alike.min()) > 0.95
