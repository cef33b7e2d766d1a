"""Orthogonal projection. Sandoval-Segura et al., NeurIPS 2023: what a linear classifier of pixels sees is removed.

A bias-free logistic regression on the training images as found (SGD, 0.1, 20 epochs of batches of 1024), an orthonormal
basis of its weights by QR, and images without their part in it: training and test images alike. Undoes shortcuts that
are linear and shared by a class; it makes sample-wise noise no weaker. Deviations: the part of the mean image is put
back, which is the same for all images, and pixels are clipped and rounded, because purified images are saved pixels.
The paper then trains with rotation, shear, jitter and CutMix: see `chain`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ConfigDict

from unlearn.defenses import Defense, Scene
from unlearn.quantities import Positive
from unlearn.settings import SGD

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.streamed import Streamed
    from unlearn.training import Batches


@dataclass(frozen=True)
class OrthogonalProjection(Defense):
    """Settings of the logistic regression."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    epochs: Positive = 20
    batch_size: Positive = 1024
    sgd: SGD = SGD(lr=0.1, weight_decay=0.0, clip=0.0)

    def fit(self, scene: Scene) -> Defense:
        """The projection that the training set as found leads to."""
        import torch  # torch stays out of recipe checks

        weights = self.regression(scene.found, scene.seed)
        basis = torch.linalg.qr(weights.T).Q
        return Projection(basis, _mean(scene.found.images))

    def regression(self, data: Batches, seed: int) -> Tensor:
        """Weights (K, C * H * W) of the linear classifier, from zero."""
        import torch
        import torch.nn.functional as F

        from unlearn import training

        inputs, classes = data.images[0].numel(), int(data.labels.max()) + 1
        # Without torch's own initialization, which draws from the generator of all threads.
        linear = torch.nn.utils.skip_init(torch.nn.Linear, inputs, classes, bias=False, device=data.images.device)
        torch.nn.init.zeros_(linear.weight)
        optim = training.optimizer(linear, self.sgd)
        for epoch in range(self.epochs):
            for index in training.epoch_batches(data.keys, self.batch_size, seed, epoch):
                logits = linear(training.to_float(data.images[index]).flatten(1))
                training.update(linear, optim, F.cross_entropy(logits, data.labels[index]), self.sgd.clip)
        return linear.weight.detach()


def _mean(images: Tensor | Streamed) -> Tensor:
    """The mean image, float (C * H * W,) in [0, 1]."""
    import torch

    from unlearn.quantities import LEVELS

    total = sum((part.sum(0, dtype=torch.int64) for part in images.split(4096)), torch.zeros_like(images[0]).long())
    return (total.double() / len(images) / LEVELS).float().flatten()


@dataclass(frozen=True)
class Projection(Defense):
    """Images without the part of their difference to `mean` (D,) that lies in the span of `basis` (D, K)."""

    basis: Tensor
    mean: Tensor

    def purify(self, images: Tensor) -> Tensor:
        """Project every image."""
        from unlearn.defenses import _pixels

        def project(part: Tensor) -> Tensor:
            away = part.flatten(1) - self.mean
            return part - (away @ self.basis @ self.basis.T).reshape(part.shape)

        return _pixels.changed(images, project)
