"""Self-supervised pretraining and a linear probe: SimCLR. Chen et al., ICML 2020, Algorithm 1, as in its appendix B.9.

The encoder learns from images without labels that two views of one image belong together: random resized crop, flip,
color jitter, grayscale, no blur, as for CIFAR-10 in the paper. A linear head is then fitted to its frozen features.
Labels only reach the head, so that a shortcut which needs a network to learn it from labels is not learned. Deviations:
SGD with a cosine schedule in place of LARS, and far fewer epochs by default. Batch normalization and the loss look at
whole batches, so results depend on the batch size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.defenses import Defense, Job
from unlearn.quantities import Positive, Share
from unlearn.settings import SGD, Training

if TYPE_CHECKING:
    from torch import Tensor, nn

    from unlearn.randomness import Draws
    from unlearn.training import Curve


@dataclass(frozen=True)
class SimCLR(Defense):
    """temperature: of the loss; projection: outputs of the head that is thrown away; decay: of the probe."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    epochs: Positive = 100
    batch_size: Annotated[int, Field(ge=2)] = 256
    sgd: SGD = SGD(lr=0.1, weight_decay=1e-4, clip=1.0)
    temperature: Annotated[float, Field(gt=0, le=10)] = 0.5
    projection: Positive = 128
    smallest: Share = 0.2
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.5
    decay: Annotated[float, Field(ge=0)] = 1e-3

    @property
    def label(self) -> str:
        return f"simclr-{self.epochs}"

    def learn(self, victim: nn.Module, job: Job) -> Curve:
        """Pretrain the encoder, then fit the head."""
        from unlearn.defenses import _probing  # torch stays out of recipe checks

        self.pretrain(victim, job)
        return _probing.probe(victim, job, self.decay)

    def pretrain(self, victim: nn.Module, job: Job) -> None:
        """The encoder by the contrastive loss through a projection of two layers."""
        import torch

        from unlearn import mixed_precision, training
        from unlearn.randomness import Draws

        outer = self._projection(victim, job)
        both = torch.nn.ModuleList([victim, outer])
        optim, data = training.optimizer(both, self.sgd), job.data
        steps = -(-len(data.keys) // self.batch_size)
        plan = Training(epochs=self.epochs, batch_size=self.batch_size, sgd=self.sgd)
        for epoch in range(self.epochs):
            for number, index in enumerate(training.epoch_batches(data.keys, self.batch_size, job.seed, epoch)):
                rate = training.learning_rate(plan, epoch * steps + number, self.epochs * steps)
                optim.param_groups[0]["lr"] = rate
                draws = Draws(job.seed, epoch, data.keys[index])
                images = training.to_float(data.images[index])
                views = torch.cat([self.view(images, draws, f"simclr-{side}") for side in "ab"])
                victim.train()
                with mixed_precision.autocast(views.device, job.precision):
                    value = contrastive(outer(_encoded(victim, views)), self.temperature)
                training.update(both, optim, value, self.sgd.clip)

    def _projection(self, victim: nn.Module, job: Job) -> nn.Module:
        import torch

        from unlearn import randomness
        from unlearn.defenses import _probing

        size = _probing.head(victim).in_features
        with randomness.seeded(job.seed):
            layers = (torch.nn.Linear(size, size), torch.nn.ReLU(), torch.nn.Linear(size, self.projection))
        return torch.nn.Sequential(*layers).to(job.data.images.device)

    def view(self, images: Tensor, draws: Draws, stream: str) -> Tensor:
        """One random view of every image: crop, flip, jitter with probability 0.8, gray with probability 0.2."""
        from unlearn.crafting import coloring
        from unlearn.defenses import _coloring, _warping

        def chosen(name: str, probability: float) -> Tensor:
            return _coloring.spread(draws.uniform(f"{stream}-{name}") < probability)

        images = _warping.resized_crop(images, draws, self.smallest, stream)
        images = images.flip(3).where(chosen("flip", 0.5), images)
        images = self._jittered(images, draws, stream).where(chosen("jitter", 0.8), images)
        return coloring.luma(images).expand_as(images).where(chosen("gray", 0.2), images)

    def _jittered(self, images: Tensor, draws: Draws, stream: str) -> Tensor:
        """Brightness, contrast and saturation by 1 +- 0.8 * jitter, hue by 0.2 * jitter of a circle."""
        from unlearn.crafting import coloring

        for tone in (coloring.brightness, coloring.contrast, coloring.saturation):
            factor = 1 + 0.8 * self.jitter * (2 * draws.uniform(f"{stream}-{tone.__name__}") - 1)
            images = tone(images, factor)
        return coloring.hue(images, 0.2 * self.jitter * (2 * draws.uniform(f"{stream}-hue") - 1))


def _encoded(victim: nn.Module, images: Tensor) -> Tensor:
    from unlearn.defenses import _probing

    with _probing.recorded_features(victim) as found:
        victim(images)
    return found[-1]


def contrastive(outputs: Tensor, temperature: float) -> Tensor:
    """NT-Xent: outputs (2B, D), the first half being one view of each image and the second half the other one."""
    import torch
    import torch.nn.functional as F

    outputs = F.normalize(outputs.float(), dim=1)
    alike = (outputs @ outputs.T / temperature).fill_diagonal_(float("-inf"))
    partner = torch.arange(len(outputs), device=outputs.device).roll(len(outputs) // 2)
    return F.cross_entropy(alike, partner)
