"""The contract of every defense, and each one's own claim."""

import copy
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from unlearn import registry, training
from unlearn.defenses import Defense, Scene, _unet
from unlearn.defenses._field import named, spec_of
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


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A diffusion model that has learned nothing."""
    path = tmp_path_factory.mktemp("weights") / "unet.safetensors"
    save_file(_unet.built(0, 3, 8, timed=True).state_dict(), path)
    return path


@pytest.fixture
def make(weights: Path) -> Callable[[str], Defense]:
    """A defense of this name with settings that take no time, fitted to the test's images."""
    settings: dict[str, dict[str, Any]] = {
        "diffusion": {"weights": str(weights), "steps": 2, "width": 8},
        "purifier": {"pairs": 4, "steps": 3, "width": 8, "batch_size": 4},
        "chain": {"defenses": ["channel_norm", "orthogonal_projection", "cutout", "cutmix"]},
    }
    found = training.Batches(PIXELS, LABELS, DRAWS.keys)
    scene = Scene(found, 0, lambda positions: (PIXELS[positions], PIXELS[positions] // 8 * 8))
    return lambda name: named({"name": name, **settings.get(name, {})}).fit(scene)


@pytest.mark.parametrize("name", ALL)
def test_contract(name: str, make: Callable[[str], Defense], victim: nn.Module) -> None:
    defense = make(name)
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


@pytest.mark.parametrize("name", ALL)
def test_the_same_draws_give_the_same_batch(name: str, make: Callable[[str], Defense], victim: nn.Module) -> None:
    defense, again = make(name), make(name)
    first, second = (d.augment(IMAGES.clone(), LABELS, DRAWS)[0] for d in (defense, again))
    assert torch.equal(first, second)
    assert torch.equal(defense.purify(PIXELS), again.purify(PIXELS))
    victims = [copy.deepcopy(victim).eval() for _ in "ab"]  # a pass in training mode moves batch statistics
    losses = [float(d.loss(v, IMAGES, LABELS, DRAWS)) for d, v in zip((defense, again), victims, strict=True)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("name", ALL)
def test_an_image_depends_on_no_other_image(name: str, make: Callable[[str], Defense]) -> None:
    """Within a level: sums of floats over other block sizes may fall on the other side of a half."""
    defense = make(name)
    part = torch.tensor([4, 1])
    alone = defense.purify(PIXELS[part]).int() - defense.purify(PIXELS)[part].int()
    assert int(alone.abs().max()) <= 1
    whole, few = (
        defense.augment(IMAGES[index], LABELS[index], Draws(1, 2, DRAWS.keys[index]))[0]
        for index in (torch.arange(6), part)
    )
    assert torch.allclose(whole[part], few, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_gray_images_and_odd_sizes(name: str, tmp_path: Path) -> None:
    save_file(_unet.built(0, 1, 8, timed=True).state_dict(), tmp_path / "unet.safetensors")
    settings = {"diffusion": {"weights": str(tmp_path / "unet.safetensors"), "steps": 2, "width": 8},
                "purifier": {"steps": 3, "width": 8}, "chain": {"defenses": ["jpeg"]}}  # fmt: skip
    pixels = PIXELS[:, :1, :17, :23]
    scene = Scene(training.Batches(pixels, LABELS, DRAWS.keys), 0, lambda index: (pixels[index], pixels[index] // 2))
    defense = named({"name": name, **settings.get(name, {})}).fit(scene)
    assert defense.purify(pixels).shape == pixels.shape
    images, labels = defense.augment(pixels / 255, LABELS, DRAWS)
    network = training.build("small_cnn", 3, (1, 17, 23), 0)
    assert torch.isfinite(defense.loss(network, images, labels, DRAWS))


@pytest.mark.parametrize("name", ALL)
def test_inputs_are_not_changed_in_place(name: str, make: Callable[[str], Defense]) -> None:
    defense = make(name)
    pixels, images = PIXELS.clone(), IMAGES.clone()
    defense.purify(pixels)
    defense.augment(images, LABELS, DRAWS)
    assert torch.equal(pixels, PIXELS)
    assert torch.equal(images, IMAGES)


LABELED = {
    "jpeg-10": {"name": "jpeg", "quality": 10},
    "adversarial-16/255": {"name": "adversarial", "epsilon": "16/255"},
    "gaussian_blur-1.5": {"name": "gaussian_blur", "sigma": 1.5},
    "bit_depth-3": {"name": "bit_depth", "bits": 3},
    "resize-0.25": {"name": "resize", "factor": "1/4"},
    "median_filter-5": {"name": "median_filter", "size": 5},
    "random_resized_crop-0.08": {"name": "random_resized_crop", "smallest": 0.08},
    "rand_augment-2-9": "rand_augment",
    "coin-2": "coin",
    "cutmix": "cutmix",
    "channel_norm": "channel_norm",
    "orthogonal_projection": "orthogonal_projection",
    "linear_probe": "linear_probe",
    "simclr-100": "simclr",
    "purifier-4000": {"name": "purifier", "pairs": 4000},
    "diffusion-60": {"name": "diffusion", "weights": "unet.safetensors", "steps": 60},
    "early_stopping-clean": "early_stopping",
    "early_stopping-found": {"name": "early_stopping", "clean": False},
    "ueraser-max": "ueraser",
    "ueraser-lite": {"name": "ueraser", "repeats": 1},
    "ueraser-first-50": {"name": "ueraser", "epochs": 50},
    "grayscale+jpeg-10": {"name": "chain", "defenses": ["grayscale", {"name": "jpeg", "quality": 10}]},
}


@pytest.mark.parametrize("label", LABELED)
def test_labels_carry_the_setting_that_matters(label: str) -> None:
    defense = named(LABELED[label])
    assert defense.label == label
    assert named(spec_of(defense)) == defense


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("diffusion", "weights: needs weights: a safetensors file of a DDPM's U-Net"),
        ({"name": "median_filter", "size": 4}, "size: should be odd"),
        ({"name": "chain", "defenses": ["cutmix", "mixup"]}, "only one of cutmix, mixup .* has a loss of its own"),
        ({"name": "chain", "defenses": ["simclr", "early_stopping"]}, "has a learn of its own"),
        ({"name": "chain", "defenses": ["gray"]}, 'defenses.0: defense "gray" does not exist; did you mean'),
        ({"name": "gaussian_blur", "sigma": 0.1}, "greater than or equal to 0.3"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_runs(spec: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        named(spec)


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
