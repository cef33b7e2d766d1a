"""A purifier learned from leaked pairs of clean and protected images, in the spirit of BridgePure (Wang et al., 2025).

BridgePure trains a diffusion bridge on 500 to 4000 pairs and undoes every protection that it was tried on. This one
takes minutes instead of hours, and is a lower bound of what pairs give away. It has two parts, each trained by mean
squared error: the main directions of the pairs' differences, in amounts that two layers read off an image, which undo
what classes or persons share; and a small U-Net for what is left, such as texture. The pairs are drawn by the seed
among the training set and are pairs of the protection that is audited. For the controls (clean and random) they are
the same pairs, so that the very same purifier works on all sets: pairs of a control would teach it nothing. Besides the
protected image of a pair it sees the clean one, to be left as it is: whoever has the pair has that too, and test images
are purified as well. Every image is normalized by itself, so that its result depends on no other one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.defenses import Defense, Scene
from unlearn.quantities import Positive

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Purifier(Defense):
    """pairs: how many leaked, two at least, all if there are fewer; directions: of their differences, at most.

    width: channels of the U-Net's first layer, a multiple of eight; 0 leaves it out.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    pairs: Annotated[int, Field(ge=2)] = 500
    directions: Positive = 64
    width: Annotated[int, Field(ge=0, multiple_of=8)] = 32
    steps: Positive = 2000
    batch_size: Annotated[int, Field(ge=2)] = 64
    lr: Annotated[float, Field(gt=0, le=1)] = 1e-3

    @property
    def label(self) -> str:
        return f"purifier-{self.pairs}"

    @property
    def presumes(self) -> str:
        return f"{self.pairs} leaked pairs of clean and protected images"

    def fit(self, scene: Scene) -> Defense:
        """Both parts, trained one after the other on the pairs."""
        from unlearn import randomness  # torch stays out of recipe checks
        from unlearn.defenses import _unet

        positions = randomness.permutation(scene.seed, "leaked-pairs", 0, scene.found.keys)[: self.pairs]
        pairs = scene.leaked(positions)
        parts = [self.trained(self.shared(pairs, scene.seed), [], pairs, scene.seed)]
        if self.width:
            texture = _unet.built(scene.seed, pairs[0].shape[1], self.width).to(pairs[0].device)
            parts.append(self.trained(texture, parts, pairs, scene.seed))
        return Purified(tuple(parts))

    def shared(self, pairs: tuple[Tensor, Tensor], seed: int) -> nn.Module:
        """The first part, untrained."""
        from unlearn import randomness, training
        from unlearn.defenses import _differences

        clean, protected = map(training.to_float, pairs)
        directions = _differences.main_directions((clean - protected).flatten(1), self.directions)
        with randomness.seeded(seed):
            network = _differences.Differences(directions.cpu(), protected.cpu())
        return network.to(clean.device)

    def trained(
        self, part: nn.Module, before: Sequence[nn.Module], pairs: tuple[Tensor, Tensor], seed: int
    ) -> nn.Module:
        """A part that corrects what those before it leave, by Adam with a cosine schedule."""
        import torch

        optim = torch.optim.Adam(part.parameters(), lr=self.lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optim, self.steps)
        for step in range(self.steps):
            images, wanted = self._lesson(*pairs, seed, step)
            with torch.no_grad():
                images = corrected(images, before)
            optim.zero_grad(set_to_none=True)
            (corrected(images, [part]) - wanted).square().mean().backward()
            optim.step()
            schedule.step()
        return part.eval()

    def _lesson(self, clean: Tensor, protected: Tensor, seed: int, step: int) -> tuple[Tensor, Tensor]:
        """Float images and what they should become: protected ones, then the clean ones of the same pairs."""
        import torch

        from unlearn import randomness, training

        places = torch.arange(self.batch_size // 2, device=clean.device)
        chosen = randomness.integers(seed, "lesson", step, places, len(clean))
        wanted = training.to_float(clean[chosen])
        return torch.cat([training.to_float(protected[chosen]), wanted]), torch.cat([wanted, wanted])


def corrected(images: Tensor, parts: Sequence[nn.Module]) -> Tensor:
    """Images with every part's answer added, one after the other."""
    for part in parts:
        images = images + part(images)
    return images


@dataclass(frozen=True)
class Purified(Defense):
    """What the pairs taught."""

    parts: tuple[nn.Module, ...]

    def purify(self, images: Tensor) -> Tensor:
        """Through all parts."""
        from unlearn.defenses import _pixels

        return _pixels.changed(images, lambda block: corrected(block, self.parts))
