"""Random views: what they do, that they depend on the sample only, and that gradients pass."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional as F

from unlearn.crafting import channel, coloring
from unlearn.crafting.jpeg import jpeg
from unlearn.crafting.views import Jitter, Views
from unlearn.randomness import Draws

EVERYTHING = Views(size=24, crop=0.6, flip=True, jpeg=0.5, half=0.5, grayscale=0.5, tint=0.1)
MORE = replace(EVERYTHING, area=0.5, jitter=Jitter())


def scene(seed: int = 0, size: int = 64) -> torch.Tensor:
    """A smooth colour picture with some texture, shape (3, size, size)."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(40, 215, (6, 6, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)).astype(np.float32)
    textured = smooth + generator.normal(0, 4, smooth.shape)
    return torch.from_numpy(textured.clip(0, 255).round().transpose(2, 0, 1).astype(np.float32)) / 255


def draws(keys: list[int], epoch: int = 0) -> Draws:
    return Draws(3, epoch, torch.tensor(keys))


@pytest.mark.parametrize("quality", [20, 60, 75, 92])
@pytest.mark.parametrize("size", [64, 50])
def test_jpeg_is_what_a_real_encoder_does(quality: int, size: int) -> None:
    picture = scene(size=size)
    stream = io.BytesIO()
    pixels = (picture * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    with Image.open(stream) as image:
        real = np.asarray(image).astype(float)
    ours = (jpeg(picture[None], torch.tensor([float(quality)]))[0] * 255).permute(1, 2, 0).numpy()
    lost = np.abs(real - pixels).mean()
    assert np.abs(ours - real).mean() < 0.35 * lost + 0.3


def test_jpeg_of_gray_images() -> None:
    gray = scene().mean(0, keepdim=True)[None]
    coded = jpeg(gray, torch.tensor([75.0]))
    assert coded.shape == gray.shape
    assert 0 < (coded - gray).abs().mean() * 255 < 4


def test_jpeg_passes_gradients_of_about_one() -> None:
    picture = scene()[None].clamp(0.2, 0.8).requires_grad_()
    jpeg(picture, torch.tensor([75.0])).sum().backward()
    assert picture.grad is not None
    assert picture.grad.mean() == pytest.approx(1.0, abs=0.05)


def test_no_views_change_nothing() -> None:
    images = torch.stack([scene(1), scene(2)])
    assert channel.look(Views(), images, draws([1, 2])) is images


def test_a_view_depends_on_its_sample_not_on_the_batch() -> None:
    images = torch.stack([scene(i) for i in range(6)])
    together = channel.look(MORE, images, draws([5, 6, 7, 8, 9, 10]))
    alone = torch.cat([channel.look(MORE, images[i : i + 1], draws([5 + i])) for i in range(6)])
    assert together.shape == (6, 3, 24, 24)
    assert torch.allclose(together, alone, atol=1e-6)


def test_views_change_from_step_to_step() -> None:
    images = torch.stack([scene(i) for i in range(8)])
    first, second = (channel.look(EVERYTHING, images, draws(list(range(8)), epoch)) for epoch in (0, 1))
    assert (first != second).flatten(1).any(1).all()


def test_gray_views_are_gray_and_as_many_as_asked_for() -> None:
    images = scene()[None].expand(400, -1, -1, -1)
    seen = channel.look(Views(grayscale=0.25), images, draws(list(range(400))))
    gray = (seen.amax(1) - seen.amin(1)).amax((1, 2)) < 1e-6
    assert 60 <= int(gray.sum()) <= 140


def test_crops_stay_inside_and_keep_at_least_the_share() -> None:
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 64, 64).expand(200, -1, -1, -1)
    seen = channel.look(Views(crop=0.5), ramp, draws(list(range(200))))
    spans = seen[:, 0, 0, -1] - seen[:, 0, 0, 0]
    assert 0.45 < float(spans.min()) < 0.6
    assert 0.9 < float(spans.max()) <= 1.0
    assert float(seen.min()) >= 0
    assert float(seen.max()) <= 1


def test_mirrored_views_are_half_of_them() -> None:
    ramp = torch.linspace(0, 1, 32).expand(1, 3, 32, 32).expand(300, -1, -1, -1)
    seen = channel.look(Views(flip=True), ramp, draws(list(range(300))))
    mirrored = seen[:, 0, 0, 0] > seen[:, 0, 0, -1]
    assert 110 <= int(mirrored.sum()) <= 190


def test_half_size_removes_fine_detail_only() -> None:
    checks = torch.tensor([0.0, 1.0]).repeat(16)
    fine = (checks[:, None] != checks[None]).float().expand(1, 3, 32, 32)
    seen = channel.look(Views(half=1.0), fine, draws([1]))
    assert float((seen - 0.5).abs().max()) < 0.1


def test_gradients_pass_through_all_of_it() -> None:
    images = torch.stack([scene(i) for i in range(4)]).requires_grad_()
    channel.look(MORE, images, draws([1, 2, 3, 4])).square().sum().backward()
    assert images.grad is not None
    assert (images.grad.flatten(1).abs().amax(1) > 0).all()


def test_a_tint_moves_whole_channels_within_its_bound() -> None:
    images = torch.full((50, 3, 8, 8), 0.5)
    moved = channel.look(Views(tint=0.1), images, draws(list(range(50)))) - 0.5
    assert float(moved.flatten(2).std(2).max()) < 1e-6
    assert 0.08 < float(moved.abs().max()) <= 0.1 + 1e-6
    assert float((moved[:, 0, 0, 0] - moved[:, 1, 0, 0]).abs().max()) > 0.05


def test_new_views_leave_the_old_ones_as_they_were() -> None:
    """Color jitter of no view and crops of the whole area draw nothing that other views share."""
    images = torch.stack([scene(i) for i in range(6)])
    old = channel.look(EVERYTHING, images, draws(list(range(6))))
    new = channel.look(replace(EVERYTHING, jitter=Jitter(share=0.0)), images, draws(list(range(6))))
    assert torch.equal(old, new)


def test_crops_by_area_keep_at_least_their_share_and_shape() -> None:
    ramp = torch.linspace(0, 1, 64).expand(64, 64)
    images = torch.stack([ramp, ramp.T, torch.zeros(64, 64)]).expand(300, -1, -1, -1)
    seen = channel.look(Views(area=0.25), images, draws(list(range(300))))
    wide, tall = (seen[:, 0, 0, -1] - seen[:, 0, 0, 0], seen[:, 1, -1, 0] - seen[:, 1, 0, 0])
    areas, shapes = wide * tall, wide / tall
    assert 0.2 < float(areas.min()) < 0.35
    assert float(areas.max()) > 0.85
    assert 0.7 < float(shapes.min()) < 0.8
    assert 1.25 < float(shapes.max()) < 1.4


def test_jitter_changes_as_many_views_as_asked_for_within_its_strength() -> None:
    images = torch.full((400, 3, 4, 4), 0.5)
    seen = channel.look(Views(jitter=Jitter(0.5, 0.4, 0, 0, 0)), images, draws(list(range(400))))
    moved = (seen - images).abs().amax((1, 2, 3))
    assert 160 <= int((moved > 0).sum()) <= 240
    assert 0.19 < float(moved.max()) <= 0.2 + 1e-6


def test_jitter_is_what_torchvision_does() -> None:
    images = torch.stack([scene(i) for i in range(3)]).clamp(0.2, 0.8)
    factors = torch.tensor([0.7, 1.0, 1.3])
    for ours, theirs in (
        (coloring.brightness, F.adjust_brightness),
        (coloring.contrast, F.adjust_contrast),
        (coloring.saturation, F.adjust_saturation),
    ):
        wanted = torch.stack([theirs(image, float(f)) for image, f in zip(images, factors, strict=True)])
        assert torch.allclose(ours(images, factors), wanted, atol=2e-3), ours


def test_hue_turns_colors_and_leaves_gray() -> None:
    colors = torch.tensor([[0.8, 0.2, 0.2], [0.5, 0.5, 0.5]])[:, :, None, None]
    third = coloring.hue(colors, torch.full((2,), 1 / 3))
    assert torch.allclose(third[0].flatten(), torch.tensor([0.2, 0.8, 0.2]), atol=1e-6)
    assert torch.allclose(third[1], colors[1], atol=1e-6)
