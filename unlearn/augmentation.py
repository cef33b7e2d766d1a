"""Crops, shifts and flips of whole batches on the device; a sample's depend on (seed, epoch, sample id) alone."""

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearn import randomness
from unlearn.randomness import Draws
from unlearn.settings import Training


def standard_augmentation(images: Tensor, draws: Draws, training: Training) -> Tensor:
    """Random crop with zero padding or mirrored borders, and horizontal flip, as the settings say."""
    if "crop" in training.augment and training.crop_padding:
        images = random_crop(images, draws, training.crop_padding)
    if "translate" in training.augment and training.crop_padding:
        images = random_crop(images, draws, min(training.crop_padding, min(images.shape[2:]) - 1), "reflect")
    if "flip" in training.augment:
        images = _mirrored(images, draws.uniform("flip") < 0.5)
    if "alternating_flip" in training.augment:
        first = randomness.uniform(draws.seed, "flip", 0, draws.keys) < 0.5
        images = _mirrored(images, first ^ bool(draws.epoch % 2))
    return images


def _mirrored(images: Tensor, chosen: Tensor) -> Tensor:
    return torch.where(chosen[:, None, None, None], images.flip(3), images)


def random_crop(images: Tensor, draws: Draws, padding: int, border: str = "constant") -> Tensor:
    """Pad, with zeros or as `border` says, and cut out the old size at a random place, for the whole batch at once."""
    padded = F.pad(images, (padding,) * 4, border).permute(0, 2, 3, 1)
    top, left = (
        draws.integers(f"crop-{side}", 2 * padding + 1)[:, None] + torch.arange(size, device=images.device)
        for side, size in (("top", images.shape[2]), ("left", images.shape[3]))
    )
    batch = torch.arange(len(images), device=images.device)[:, None, None]
    return padded[batch, top[:, :, None], left[:, None, :]].permute(0, 3, 1, 2)
