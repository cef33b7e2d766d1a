"""UEraser. Qin et al., 2023 (Learning the Unlearnable): the worst of several strong augmentations of each sample.

Plasma brightness and plasma contrast (roughness 0.3-0.7, intensity 0.5-1) and a shuffle of channels with probability
0.5 each, then TrivialAugment: the defaults of the released code; APBench applies both plasmas always. Deviations:
clouds are octaves of smooth noise; TrivialAugment takes RandAugment's ranges; the worst is searched without gradients
and then trained on in a pass of its own, whose batch statistics are those images' alone; running ones see all repeats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.defenses import Defense

if TYPE_CHECKING:
    from torch import Tensor, nn

    from unlearn.randomness import Draws


@dataclass(frozen=True)
class UEraser(Defense):
    """repeats: augmentations tried for each sample; 1 is the paper's lite, 5 its max.

    epochs: how long the worst is looked for, then it is lite; 50 is the paper's standard of 200, None never ends.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    repeats: Annotated[int, Field(ge=1, le=50)] = 5
    epochs: Annotated[int, Field(ge=1)] | None = None

    @property
    def label(self) -> str:
        if self.repeats == 1:
            return "ueraser-lite"
        kind = "max" if self.epochs is None else f"first-{self.epochs}"
        return f"ueraser-{kind}" + ("" if self.repeats == 5 else f"-of-{self.repeats}")

    def loss(self, victim: nn.Module, images: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        """Cross-entropy on the augmentation of each sample with the highest one."""
        import torch.nn.functional as F  # torch stays out of recipe checks

        return F.cross_entropy(victim(self.worst(victim, images, labels, draws)), labels)

    def worst(self, victim: nn.Module, images: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        """The augmented images, shape (B, C, H, W)."""
        import torch
        import torch.nn.functional as F

        repeats = self.repeats if self.epochs is None or draws.epoch < self.epochs else 1
        tried = torch.stack([policy(images, draws, f"ueraser-{number}") for number in range(repeats)])
        if repeats == 1:
            return tried[0]
        with torch.no_grad():
            losses = torch.stack([F.cross_entropy(victim(views), labels, reduction="none") for views in tried])
        return tried[losses.argmax(0), torch.arange(len(images), device=images.device)]


def policy(images: Tensor, draws: Draws, stream: str) -> Tensor:
    """Plasma brightness, plasma contrast, channel shuffle, one random operation; in [0, 1]."""
    from unlearn.defenses import _operations

    images = _brightness(images, draws, f"{stream}-brightness")
    images = _contrast(images, draws, f"{stream}-contrast")
    images = _shuffle(images, draws, f"{stream}-shuffle")
    return _operations.apply(images, draws, draws.uniform(f"{stream}-strength"), stream)


def _brightness(images: Tensor, draws: Draws, stream: str) -> Tensor:
    """Lighter and darker by clouds, up to an intensity of 0.5 to 1."""
    intensity = (0.5 + 0.5 * draws.uniform(f"{stream}-intensity"))[:, None, None, None]
    return _sometimes(images, images + intensity * (2 * _clouds(images, draws, stream) - 1), draws, stream)


def _contrast(images: Tensor, draws: Draws, stream: str) -> Tensor:
    """Away from middle gray, by clouds that reach a factor of four."""
    return _sometimes(images, 0.5 + (images - 0.5) * 4 * _clouds(images, draws, stream), draws, stream)


def _shuffle(images: Tensor, draws: Draws, stream: str) -> Tensor:
    order = draws.uniform(stream, (images.shape[1],)).argsort(1)
    shuffled = images.gather(1, order[:, :, None, None].expand_as(images))
    return _sometimes(images, shuffled, draws, stream)


def _clouds(images: Tensor, draws: Draws, stream: str) -> Tensor:
    from unlearn.defenses import _plasma

    roughness = 0.3 + 0.4 * draws.uniform(f"{stream}-roughness")
    return _plasma.clouds(tuple(images.shape[1:]), draws, roughness, stream)


def _sometimes(images: Tensor, changed: Tensor, draws: Draws, stream: str) -> Tensor:
    """Changed with probability 0.5, clipped to [0, 1]."""
    chosen = draws.uniform(f"{stream}-at-all") < 0.5
    return changed.clamp(0.0, 1.0).where(chosen[:, None, None, None], images)
