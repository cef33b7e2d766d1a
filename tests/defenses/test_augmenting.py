"""Defenses that change training batches or their loss: what each does, and what each breaks."""

import numpy as np
import pytest
import torch
from defenses import planted
from scipy.ndimage import map_coordinates
from torch import nn

from unlearn import training
from unlearn.crafting import coloring
from unlearn.defenses import _coloring, _operations, _plasma, _warping
from unlearn.defenses._field import named
from unlearn.defenses.coin import COIN
from unlearn.defenses.cutmix import CutMix
from unlearn.defenses.ueraser import UEraser, policy
from unlearn.randomness import Draws

IMAGES = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
DRAWS = Draws(1, 2, torch.arange(6))


@pytest.mark.parametrize(
    ("plant", "spec", "least"),
    [
        (planted.tint, {"name": "ueraser", "repeats": 1}, 0.9),
        (planted.tint, "rand_augment", 0.9),
        (planted.pixel, "random_resized_crop", 0.9),
        (planted.pixel, "cutmix", 0.75),
        (planted.grain, "coin", 0.9),
    ],
    ids=lambda part: getattr(part, "__name__", None) or str(part),
)
def test_claim_it_breaks_what_it_is_known_to_break(plant: planted.Plant, spec: object, least: float) -> None:
    """Without a defense each of these protections keeps accuracy below 0.65; see the tests of purifying ones."""
    assert planted.reached(named(spec), plant) > least


@pytest.mark.parametrize("spec", ["cutmix", "coin", "rand_augment", {"name": "ueraser", "repeats": 2}], ids=str)
def test_training_on_clean_images_stays_possible(spec: object) -> None:
    assert planted.reached(named(spec), planted.tint, "clean") > 0.85


def test_cutmix_boxes_follow_their_distribution_and_labels_their_area() -> None:
    draws = Draws(0, 0, torch.arange(3000))
    images = torch.zeros(3000, 1, 32, 32)
    areas = CutMix(probability=1.0).boxes(images, draws).float().mean((1, 2))
    assert 0.25 < float(areas.mean()) < 0.42  # a half, less what falls outside
    half = CutMix(probability=0.5).boxes(images, draws).any((1, 2)).float().mean()
    assert abs(float(half) - 0.5) < 0.05


def test_cutmix_loss_is_a_mixture_by_area() -> None:
    """A network that counts white pixels: the mixed image's logits are its mean."""

    class Mean(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            white = images.mean((1, 2, 3))
            return torch.stack([white, 1 - white], 1)

    images = torch.stack([torch.ones(1, 16, 16), torch.zeros(1, 16, 16)])
    draws, labels = Draws(3, 0, torch.tensor([5, 9])), torch.tensor([0, 1])
    area = CutMix(probability=1.0).boxes(images, draws).float().mean((1, 2))
    partner = draws.permutation("cutmix-partner")
    white = torch.tensor([1.0, 0.0]) * (1 - area) + torch.tensor([1.0, 0.0])[partner] * area
    logs = torch.stack([white, 1 - white], 1).log_softmax(1)
    rows = torch.arange(2)
    expected = -((1 - area) * logs[rows, labels] + area * logs[rows, labels[partner]]).mean()
    assert torch.allclose(CutMix(probability=1.0).loss(Mean(), images, labels, draws), expected, atol=1e-6)


def test_coin_samples_where_its_offsets_say() -> None:
    """Compared to scipy's interpolation with edges that wrap around, as the released code calls it."""
    made, _ = COIN(2.0).augment(IMAGES, LABELS, DRAWS)
    offsets = [4 * DRAWS.uniform(f"coin-{axis}", (16, 16))[3].numpy() - 2 for axis in "yx"]
    rows, columns = np.indices((16, 16))
    wrapped = np.pad(IMAGES[3, 1].numpy(), 8, mode="wrap")
    expected = map_coordinates(wrapped, [rows + offsets[0] + 8, columns + offsets[1] + 8], order=1)
    assert np.allclose(made[3, 1].numpy(), expected, atol=1e-4)


def test_resized_crops_reach_everywhere_and_keep_flat_images() -> None:
    ramp = torch.linspace(0, 1, 32).expand(500, 1, 32, 32)
    made = _warping.resized_crop(ramp, Draws(0, 0, torch.arange(500)), 0.2)
    assert float(made[..., 0].amin()) < 0.05
    assert float(made[..., -1].amax()) > 0.95
    width = (made[..., 16, 28] - made[..., 16, 3])[:, 0] / (ramp[0, 0, 16, 28] - ramp[0, 0, 16, 3])
    assert 0.35 < float(width.min()) < float(width.max()) <= 1.001
    inner = _warping.resized_crop(torch.full((9, 3, 16, 16), 0.5), Draws(0, 0, torch.arange(9)), 0.2)
    assert torch.allclose(inner[..., 2:-2, 2:-2], torch.tensor(0.5), atol=1e-5)


@pytest.mark.parametrize("number", sorted(set(range(len(_operations.OPERATIONS))) - {1, 2}))
def test_operations_without_strength_change_nothing(number: int) -> None:
    """But for those that have no strength: autocontrast and equalize; solarize keeps all but pure white."""
    done = _operations.OPERATIONS[number](IMAGES.clamp(max=0.99), torch.zeros(6))
    levels = 0.5 / 255 + 1e-4 if number == 6 else 1e-5
    assert torch.allclose(done, IMAGES.clamp(max=0.99), atol=levels)


def test_turns_of_images_that_are_not_square_are_turns() -> None:
    """The middle of an image of 64x128 is that of the turned square around it."""
    square = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    square = torch.nn.functional.avg_pool2d(square, 9, 1, 4)
    wide = square[:, :, 32:96]
    turned, whole = (_operations._rotate(images, torch.tensor([1.0])) for images in (wide, square))
    assert torch.allclose(turned[..., 24:40, 44:84], whole[..., 56:72, 44:84], atol=1e-4)


def test_equalize_and_autocontrast_reach_black_and_white() -> None:
    dull = IMAGES / 4 + 0.3
    assert torch.allclose(_coloring.autocontrast(dull).amax((2, 3)), torch.ones(6, 3))
    assert float(_coloring.equalize(dull).std()) > 2 * float(dull.std())
    flat = torch.full((2, 3, 8, 8), 0.4)
    assert torch.equal(_coloring.autocontrast(flat), flat)


def test_a_full_turn_of_hue_is_none_and_gray_has_no_hue() -> None:
    assert torch.allclose(coloring.hue(IMAGES, torch.ones(6)), IMAGES, atol=1e-5)
    gray = IMAGES[:, :1].expand(6, 3, 16, 16)
    assert torch.allclose(coloring.hue(gray, torch.full((6,), 0.3)), gray, atol=1e-5)
    third = coloring.hue(IMAGES, torch.full((6,), 1 / 3))
    assert torch.allclose(third, IMAGES.roll(1, 1), atol=1e-5)


def test_clouds_reach_from_black_to_white_and_get_rough() -> None:
    smooth, rough = (
        _plasma.clouds((3, 32, 32), Draws(0, 0, torch.arange(20)), torch.full((20,), r), "clouds") for r in (0.2, 0.9)
    )
    assert float(smooth.min()) == 0
    assert float(smooth.max()) == 1
    steps = [float((part[..., 1:] - part[..., :-1]).abs().mean()) for part in (smooth, rough)]
    assert steps[1] > 2 * steps[0]


def test_ueraser_trains_on_the_worst_of_its_repeats() -> None:
    victim = training.build("small_cnn", 3, (3, 16, 16), 0).eval()
    chosen = UEraser(repeats=4).worst(victim, IMAGES, LABELS, DRAWS)
    tried = [policy(IMAGES, DRAWS, f"ueraser-{k}") for k in range(4)]
    losses = torch.stack([nn.functional.cross_entropy(victim(x), LABELS, reduction="none") for x in tried])
    mine = nn.functional.cross_entropy(victim(chosen), LABELS, reduction="none")
    assert torch.allclose(mine, losses.max(0).values, atol=1e-5)
    loss = UEraser(repeats=4).loss(victim, IMAGES, LABELS, DRAWS)
    assert torch.allclose(loss, mine.mean(), atol=1e-5)
    late = UEraser(repeats=4, epochs=1).worst(victim, IMAGES, LABELS, DRAWS)  # the draws are of epoch 2
    assert torch.equal(late, tried[0])
