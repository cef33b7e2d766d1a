"""Random views of noisy images, with gradients: see crafting/views.py for what they stand for."""

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearn.crafting import coloring
from unlearn.crafting.jpeg import jpeg
from unlearn.crafting.views import Jitter, Views
from unlearn.randomness import Draws


def look(views: Views, images: Tensor, draws: Draws) -> Tensor:
    """One random view a sample: images (B, C, H, W) in [0, 1] to (B, C, S, S).

    Re-encoding comes first, as a platform does it; then what a trainer does: crop, resize, mirror, jitter, gray.
    """
    if views.half:
        images = _some(images, _halved(images), draws.uniform("half") < views.half)
    if views.jpeg:
        low, high = min(views.qualities), max(views.qualities)
        quality = low + draws.integers("quality", high - low + 1)
        images = _some(images, jpeg(images, quality.float()), draws.uniform("jpeg") < views.jpeg)
    moved = min(views.crop, views.area) < 1 or views.flip
    images = _cut(views, images, draws) if moved else whole(views, images)
    if views.tint:
        offsets = (2 * draws.uniform("tint", (images.shape[1],)) - 1) * views.tint
        images = (images + offsets[:, :, None, None]).clamp(0.0, 1.0)
    if views.jitter:
        images = _some(images, _jittered(views.jitter, images, draws), draws.uniform("jitter") < views.jitter.share)
    if views.grayscale and images.shape[1] == 3:
        gray = torch.einsum("c,bchw->bhw", images.new_tensor((0.299, 0.587, 0.114)), images)[:, None]
        images = _some(images, gray.expand_as(images), draws.uniform("gray") < views.grayscale)
    return images


def whole(views: Views, images: Tensor) -> Tensor:
    """The view without chance: the whole image at the views' size."""
    if views.size is None or images.shape[2:] == (views.size, views.size):
        return images
    return F.interpolate(images, (views.size, views.size), mode="bilinear", antialias=True)


def _some(images: Tensor, changed: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask[:, None, None, None], changed, images)


def _halved(images: Tensor) -> Tensor:
    half = F.interpolate(images, scale_factor=0.5, mode="bilinear", antialias=True)
    return F.interpolate(half, tuple(images.shape[2:]), mode="bilinear")


def _cut(views: Views, images: Tensor, draws: Draws) -> Tensor:
    """A random part of each side, at a random place, perhaps mirrored, at the views' size."""
    sides = [(1 - (1 - views.crop) * draws.uniform(f"crop-{name}")) for name in ("wide", "tall")]
    if views.area < 1:
        sides = [outer * inner for outer, inner in zip(sides, _box(views.area, draws), strict=True)]
    places = [(1 - s) * (2 * draws.uniform(f"at-{n}") - 1) for s, n in zip(sides, ("wide", "tall"), strict=True)]
    mirror = torch.where(draws.uniform("mirror") < 0.5, -1.0, 1.0) if views.flip else torch.ones_like(sides[0])
    theta = images.new_zeros(len(images), 2, 3)
    theta[:, 0, 0], theta[:, 0, 2] = sides[0] * mirror, places[0]
    theta[:, 1, 1], theta[:, 1, 2] = sides[1], places[1]
    height, width = (views.size, views.size) if views.size else images.shape[2:]
    grid = F.affine_grid(theta, [len(images), images.shape[1], height, width], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _box(smallest: float, draws: Draws) -> tuple[Tensor, Tensor]:
    """Width and height (B,) of a box of at least this area; a side longer than the image is cut to it."""
    scale = (smallest + (1 - smallest) * draws.uniform("box-area")).sqrt()
    shape = (4 / 3) ** (draws.uniform("box-ratio") - 0.5)  # the square root of a ratio whose logarithm is uniform
    return (scale * shape).clamp(max=1.0), (scale / shape).clamp(max=1.0)


def _jittered(jitter: Jitter, images: Tensor, draws: Draws) -> Tensor:
    """Brightness, contrast, saturation and hue in this order; trainers shuffle it."""
    tones = (
        (coloring.brightness, jitter.brightness),
        (coloring.contrast, jitter.contrast),
        (coloring.saturation, jitter.saturation),
    )
    for tone, strength in tones:
        images = tone(images, 1 + strength * (2 * draws.uniform(f"jitter-{tone.__name__}") - 1))
    return coloring.hue(images, jitter.hue * (2 * draws.uniform("jitter-hue") - 1))
