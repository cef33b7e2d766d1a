"""Neural tangent generalization attack (NTGA). Yuan and Wu, ICML 2021, equation 6 and algorithm B-NTGA.

Blocks of training images climb the loss, on clean labeled images outside the block, of an infinitely wide network that
would be trained on the block for a while. Deviations from the released code: projected steps that build on each
other, where the code repeats its first step; every sample is moved and each block is judged on samples of other blocks,
where the code sets 10,000 samples aside, unprotected; the dense network ends in a linear layer, not in an activation;
ReLU between the dense layers of the convolutional one. A sample's noise depends on the block that it falls in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import ConfigDict, Field

from unlearn.pgd import PGD
from unlearn.quantities import Positive

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive
    from unlearn.stretched import Stretched


@dataclass(frozen=True)
class NTGA:
    """The released code's settings for CIFAR-10 by default.

    kernel: of five dense layers, or of a small convolutional network, which suits convolutional victims better.
    time: how long the network would be trained; small values act early in a victim's training.
    block_size: images that are moved together, at most; larger is stronger, and slower with its square.
    judges: clean images outside the block that its loss is taken on.
    judges_at_once: how many of them are held in memory together; no part of the result, but for rounding.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    pgd: PGD = PGD(0.88 / 255, 10)
    kernel: Literal["dense", "convolutional"] = "convolutional"
    time: Annotated[float, Field(gt=0)] = 64.0
    block_size: Annotated[int, Field(ge=2)] = 512
    judges: Positive = 10000
    judges_at_once: Positive = 512

    def craft(self, problem: Problem) -> Additive | Stretched:
        """Noise within problem.epsilon for every sample; rows sample-wise.

        Raises:
            DataError: shared rows, or a single sample.
            Interrupted: after a stop request, with a checkpoint if there is a place for one.
        """
        from unlearn.crafting import frozen, passes  # torch stays out of recipe checks
        from unlearn.crafting import noise as noises

        frozen.need_own_rows(problem, "ntga")
        blocks, workers = self._blocks(problem), problem.workers
        with workers.pinned():
            shape = problem.domain.shape(tuple(problem.data.images.shape[1:]))
            noise = noises.grid(problem.rows, shape, problem.epsilon, self.pgd.step_size, problem.storage())
            first = frozen.resumed(problem, noise)
            with problem.progress.task("noise by ntga", len(blocks) - first) as advance:
                together = workers.world * self._at_once(problem, len(blocks[0]))
                for start in range(first, len(blocks), together):
                    chunk = blocks[start : start + together]
                    passes.move(problem, noise, chunk, lambda index: noise.encode(self._climbed(problem, index)))
                    advance(len(chunk))
                    frozen.pause(problem, noise, start + len(chunk))
        return problem.perturbation(noise)

    def _blocks(self, problem: Problem) -> list[Tensor]:
        """Positions (B,) of the samples of each block, nearly equal in size, the same ones in any order of the data."""
        from unlearn import randomness
        from unlearn.errors import DataError

        keys, index = problem.batches.keys, (problem.row_on_device >= 0).nonzero()[:, 0]
        if len(keys) < 2:
            raise DataError("ntga needs two samples or more: one is moved, others judge")
        count = max(2 if len(index) == len(keys) else 1, -(-len(index) // self.block_size))
        return list(index[randomness.permutation(problem.seed, "blocks", 0, keys[index])].tensor_split(count))

    def _at_once(self, problem: Problem, size: int) -> int:
        """Blocks of this size that every process has in hand: one a thread, as far as half of the memory allows."""
        import torch

        from unlearn import memory
        from unlearn.crafting import tangent

        workers, granted = problem.workers, memory.granted()
        each = 8 * size**2 * tangent.held(self.kernel, tuple(problem.data.images.shape[2:]))
        mine = workers.threads if granted is None else max(1, min(workers.threads, granted // 2 // each))
        known = torch.full((workers.world,), mine, device=workers.device)
        workers.share(known, [range(rank, rank + 1) for rank in range(workers.world)])
        return int(known.min())

    def _judges(self, problem: Problem, index: Tensor) -> Tensor:
        """Positions of clean samples outside the block at `index`."""
        from unlearn import randomness

        keys = problem.batches.keys
        order = randomness.permutation(problem.seed, "judges", int(keys[index[0]]), keys)
        outside = order.new_ones(len(keys)).index_fill(0, index, 0).bool()
        return order[outside[order]][: self.judges]

    def _climbed(self, problem: Problem, index: Tensor) -> Tensor:
        """Noise of the block at `index` (B,), shape (B, ...) as the domain has it."""
        from unlearn import randomness, training

        data, domain = problem.batches, problem.domain
        images, keys = training.to_float(data.images[index]), data.keys[index]
        judges = self._judges(problem, index)
        held = images.new_zeros((len(index), *domain.shape(tuple(images.shape[1:]))))
        if self.pgd.random_start:
            draws = randomness.uniform(problem.seed, "random-start", 0, keys, tuple(held.shape[1:]))
            held = domain.project((2 * draws - 1) * problem.epsilon, images, problem.epsilon)
        for _ in range(self.pgd.steps):
            gradient = self._gradient(problem, index, images, held, judges)
            held = domain.project(held + self.pgd.step_size * gradient.sign(), images, problem.epsilon)
        return held

    def _gradient(self, problem: Problem, index: Tensor, images: Tensor, held: Tensor, judges: Tensor) -> Tensor:
        """Of the judges' summed loss, shaped as `held`; float64 inside."""
        import torch
        import torch.nn.functional as F

        from unlearn import training
        from unlearn.crafting import tangent

        data, kernel = problem.batches, tangent.KERNELS[self.kernel]
        held = held.detach().requires_grad_()
        noisy = problem.domain.noisy(images, held).double()
        targets = F.one_hot(data.labels[index], problem.data.classes).double()
        weights = tangent.coefficients(kernel(noisy, noisy), targets, self.time)
        # Judges see the block through two tensors, so that its own kernel is differentiated once and not by part.
        block, known = (each.detach().requires_grad_() for each in (noisy, weights))
        for part in judges.split(self.judges_at_once):
            logits = kernel(training.to_float(data.images[part]).double(), block) @ known
            F.cross_entropy(logits, data.labels[part], reduction="sum").backward()
        torch.autograd.backward([noisy, weights], [block.grad, known.grad], inputs=[held])
        assert held.grad is not None
        return held.grad
