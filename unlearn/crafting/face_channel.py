"""Random views of canvases, with gradients: see crafting/face_views.py for what they stand for."""

from collections.abc import Callable
from math import ceil, pi

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearn.crafting.blurring import blurred
from unlearn.crafting.face_views import FaceViews
from unlearn.crafting.jpeg import jpeg
from unlearn.randomness import Draws

CANVAS = 224  # side on which lengths in pixels are meant
SMALLEST = 16  # pixels to which a resize reduces at most: one block of chroma


def look(views: FaceViews, canvases: Tensor, draws: Draws) -> Tensor:
    """One random view a canvas: (B, 3, S, S) in [0, 1] to the same shape.

    In the order of their fates: the face is small in its photo, a platform re-encodes it, a recogniser finds it a
    little beside its place.
    """
    if views.photo < 1:
        canvases = _each(_resized, canvases, 1 - (1 - views.photo) * draws.uniform("photo"))
    if views.jpeg or views.resized:
        canvases = _each(_coded, canvases, _scales(views, draws), _qualities(views, draws))
    if views.blur:
        largest = views.blur * canvases.shape[-1] / CANVAS
        canvases = blurred(canvases, largest * draws.uniform("blur"), ceil(3 * largest))
    return _misplaced(views, canvases, draws) if views.shift or views.turn or views.zoom or views.flip else canvases


def _each(change: Callable[..., Tensor], canvases: Tensor, *numbers: Tensor) -> Tensor:
    """Canvases one by one, because each has a size of its own in between."""
    columns = [column.tolist() for column in numbers]
    return torch.cat([change(canvases[i : i + 1], *row) for i, row in enumerate(zip(*columns, strict=True))])


def _scales(views: FaceViews, draws: Draws) -> Tensor:
    """The factor by which each view is reduced before JPEG; 0 for a view that isn't re-encoded."""
    kind = draws.uniform("kind")
    drawn = 1 - (1 - views.scale) * draws.uniform("scale")
    scale = torch.where(kind < views.resized, drawn, torch.ones_like(drawn))
    return scale * (kind < views.resized + views.jpeg)


def _qualities(views: FaceViews, draws: Draws) -> Tensor:
    low, high = min(views.qualities), max(views.qualities)
    return low + draws.integers("quality", high - low + 1)


def _coded(canvas: Tensor, scale: float, quality: int) -> Tensor:
    if not scale:
        return canvas
    small = _shrunk(canvas, scale)
    return _grown(jpeg(small, torch.tensor([float(quality)], device=canvas.device)), canvas.shape[-1])


def _resized(canvas: Tensor, scale: float) -> Tensor:
    return _grown(_shrunk(canvas, scale), canvas.shape[-1])


def _shrunk(canvas: Tensor, scale: float) -> Tensor:
    side = min(canvas.shape[-1], max(SMALLEST, round(canvas.shape[-1] * scale)))
    if side == canvas.shape[-1]:
        return canvas
    return F.interpolate(canvas, (side, side), mode="bilinear", antialias=True)


def _grown(canvas: Tensor, side: int) -> Tensor:
    if side == canvas.shape[-1]:
        return canvas
    return F.interpolate(canvas, (side, side), mode="bilinear", align_corners=False)


def _misplaced(views: FaceViews, canvases: Tensor, draws: Draws) -> Tensor:
    """Moved, turned and enlarged about the middle, perhaps mirrored."""
    moves = 2 * draws.uniform("place", (4,)) - 1
    angle = moves[:, 0] * views.turn * pi / 180
    size = 1 + moves[:, 1] * views.zoom
    mirror = torch.where(draws.uniform("mirror") < 0.5, -1.0, 1.0) if views.flip else torch.ones_like(size)
    theta = canvases.new_zeros(len(canvases), 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = size * angle.cos() * mirror, -size * angle.sin()
    theta[:, 1, 0], theta[:, 1, 1] = size * angle.sin() * mirror, size * angle.cos()
    theta[:, :, 2] = 2 * views.shift * moves[:, 2:]  # a side is 2 long in these coordinates
    grid = F.affine_grid(theta, list(canvases.shape), align_corners=False)
    return F.grid_sample(canvases, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
