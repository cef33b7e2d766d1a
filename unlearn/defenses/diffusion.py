"""Diffusion purification. Nie et al., ICML 2022; AVATAR (Dolatabadi et al., 2023): noise is added and removed again.

An image in [-1, 1] is carried `steps` steps forward along a DDPM of 1000 steps (beta from 1e-4 to 0.02, Ho et al.,
NeurIPS 2020) and denoised step by step with its posterior; AVATAR's release goes 100 steps on CIFAR-10, APBench 60 with
inputs that are scaled but not centered. Training and test images alike. Weights are not shipped: name a safetensors
file with the state dict of `unlearn.defenses._unet.UNet(channels, width, timed=True)` trained to predict the noise of
images in [-1, 1]. Without it nothing runs. Draws follow from an image's own pixels, so that its result depends on no
other one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, ConfigDict, Field

from unlearn.defenses import Defense, Scene
from unlearn.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor, nn

LENGTH = 1000
NEEDED = "needs weights: a safetensors file of a DDPM's U-Net; see the first lines of unlearn/defenses/diffusion.py"


def _named(path: str | None) -> str:
    if not path:
        raise ValueError(NEEDED)
    return path


@dataclass(frozen=True)
class Diffusion(Defense):
    """steps: how far images are carried, of 1000; width: channels of the network's first layer."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    weights: Annotated[str | None, AfterValidator(_named), Field(validate_default=True)] = None
    steps: Annotated[int, Field(ge=1, le=LENGTH)] = 100
    width: Annotated[int, Field(ge=8, multiple_of=8)] = 64

    @property
    def label(self) -> str:
        return f"diffusion-{self.steps}"

    @property
    def presumes(self) -> str:
        return "a diffusion model trained on clean images of the same kind"

    @property
    def files(self) -> tuple[str, ...]:
        return (_named(self.weights),)

    def fit(self, scene: Scene) -> Defense:
        """The network with its weights.

        Raises:
            DataError: no such file, or weights of another network.
        """
        images = scene.found.images
        return Denoised(self.network(images.shape[1]).to(images.device), self.steps, scene.seed)

    def network(self, channels: int) -> nn.Module:
        """In evaluation mode."""
        from pathlib import Path

        from unlearn import pretrained  # torch stays out of recipe checks
        from unlearn.defenses import _unet

        network = _unet.built(0, channels, self.width, timed=True)
        missing = pretrained.load(network, Path(_named(self.weights)))
        if missing:
            raise DataError(f"{self.weights}: weights of another network; {missing[0]} is missing or of another shape")
        return network.eval()


@dataclass(frozen=True)
class Denoised(Defense):
    """Carried `steps` steps forward and back."""

    network: nn.Module
    steps: int
    seed: int

    def purify(self, images: Tensor) -> Tensor:
        """Noise, then every step's posterior mean and its own noise."""
        from unlearn.defenses import _pixels

        return _pixels.changed(images, lambda part: (self._back(2 * part - 1) + 1) / 2)

    def _back(self, images: Tensor) -> Tensor:
        import torch

        betas = torch.linspace(1e-4, 0.02, LENGTH, device=images.device)
        kept = (1 - betas).cumprod(0)
        keys = _keys(images)
        x = kept[self.steps - 1].sqrt() * images + (1 - kept[self.steps - 1]).sqrt() * self._noise(images, keys, LENGTH)
        for step in reversed(range(self.steps)):
            noise = self.network(x, torch.full((len(x),), step, device=x.device))
            x = (x - betas[step] / (1 - kept[step]).sqrt() * noise) / (1 - betas[step]).sqrt()
            if step:
                spread = (betas[step] * (1 - kept[step - 1]) / (1 - kept[step])).sqrt()
                x = x + spread * self._noise(images, keys, step)
        return x

    def _noise(self, images: Tensor, keys: Tensor, step: int) -> Tensor:
        """Normal draws of the images' shape."""
        import torch

        from unlearn import randomness

        uniform = randomness.uniform(self.seed, "diffusion", step, keys, tuple(images.shape[1:]))
        return 2**0.5 * torch.erfinv((2 * uniform - 1).clamp(-1 + 1e-6, 1 - 1e-6))


def _keys(images: Tensor) -> Tensor:
    """int64 (B,), from the pixels alone."""
    import torch

    from unlearn import randomness

    pixels = (images.flatten(1) * 1000).round().long()
    place = randomness.words(0, "pixels", 0, torch.zeros(1, dtype=torch.int64, device=images.device), pixels.shape[1])
    return (pixels * place).sum(1)
