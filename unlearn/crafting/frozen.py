"""One pass over the samples on frozen networks: the noise of every sample walks by itself, from one start or several.

What TAP, HYPO, SEP and DUNE share. A sample's noise depends on the sample, the networks and the seed, and on nothing
else: losses are taken sample by sample, normalization is in evaluation mode, and the best of several starts is chosen
for each sample, not for a batch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearn import mixed_precision, randomness, training
from unlearn.crafting import noise as noises
from unlearn.crafting import passes
from unlearn.crafting.problem import Problem
from unlearn.crafting.schedule import Cursor, Schedule
from unlearn.errors import DataError, Interrupted
from unlearn.pgd import PGD
from unlearn.randomness import Draws

# Images (B, C, H, W) as a network sees them and labels (B,) to losses (B,).
Loss = Callable[[Tensor, Tensor], Tensor]
Look = Callable[[Tensor, Draws], Tensor]


@dataclass(frozen=True)
class Part:
    """Samples that are worked on together: images (B, C, H, W) in [0, 1], labels and keys (B,)."""

    images: Tensor
    labels: Tensor
    keys: Tensor


class Aim(Protocol):
    """Where the noise `held`, shape (B, ...) as the domain has it, is to go."""

    def direction(self, part: Part, held: Tensor, step: int) -> Tensor:
        """What to step against, shaped as `held`; only signs count. `step` counts on over the starts."""
        ...

    def losses(self, part: Part, held: Tensor) -> Tensor:
        """What is to be small in the end, shape (B,)."""
        ...


@dataclass(frozen=True)
class Descent:
    """Down the mean loss of several networks, each image through a random view; plain images in the end."""

    problem: Problem
    terms: Sequence[Loss]
    look: Look = lambda images, draws: images

    def direction(self, part: Part, held: Tensor, step: int) -> Tensor:
        """Mean gradient over the networks."""
        return torch.stack([self.gradient(term, part, held, step) for term in self.terms]).mean(0)

    def gradient(self, term: Loss, part: Part, held: Tensor, step: int) -> Tensor:
        """One network's gradient, each sample's by itself."""
        held = held.detach().requires_grad_()
        # Numbers below zero: the surrogate's own training draws from zero on.
        seen = self.look(self.problem.domain.noisy(part.images, held), Draws(self.problem.seed, -1 - step, part.keys))
        (gradient,) = torch.autograd.grad(self._losses(term, seen, part.labels).sum(), held)
        return gradient

    def losses(self, part: Part, held: Tensor) -> Tensor:
        """Mean loss over the networks."""
        with torch.no_grad():  # here, because gradient mode belongs to a thread
            noisy = self.problem.domain.noisy(part.images, held)
            return torch.stack([self._losses(term, noisy, part.labels) for term in self.terms]).mean(0)

    def _losses(self, term: Loss, images: Tensor, labels: Tensor) -> Tensor:
        with mixed_precision.autocast(self.problem.workers.device, self.problem.precision):
            return term(images, labels).float()


def towards(networks: Sequence[nn.Module], targets: Tensor) -> list[Loss]:
    """Cross-entropy of each network to the class that a label is led to; targets (classes,)."""

    def of(network: nn.Module) -> Loss:
        return lambda images, labels: F.cross_entropy(network(images), targets[labels], reduction="none")

    return [of(network) for network in networks]


def led_to(problem: Problem, shift: int, permutation: Sequence[int], method: str) -> Tensor:
    """The class that each class is led to, int64 (classes,): the permutation if there is one, else `shift` further.

    Raises:
        DataError: no permutation of the classes, or one that leads a class to itself.
    """
    classes = problem.data.classes
    found = list(permutation) or [(label + shift) % classes for label in range(classes)]
    if sorted(found) != list(range(classes)):
        raise DataError(f"{method}: permutation {found} does not name each of the classes 0..{classes - 1} once")
    still = [label for label in range(classes) if found[label] == label]
    if still:
        cause = "permutation" if permutation else f"shift {shift}"
        raise DataError(f'{method}: {cause} leads class "{problem.data.names[still[0]]}" of {classes} to itself')
    return torch.tensor(found, device=problem.workers.device)


def walk(problem: Problem, pgd: PGD, aim: Aim, method: str, restarts: int = 1, batch_size: int = 512) -> noises.Noise:
    """The noise of all samples after the steps of `pgd`; of several starts, the one with the smallest loss.

    Args:
        batch_size: samples between two exchanges of the processes, and on a device at once; no part of the result.

    Raises:
        DataError: when samples share rows.
        Interrupted: after a stop request, with a checkpoint if there is a place for one.
    """
    need_own_rows(problem, method)
    with problem.workers.pinned():
        shape = problem.domain.shape(tuple(problem.data.images.shape[1:]))
        noise = noises.grid(problem.rows, shape, problem.epsilon, pgd.step_size, problem.storage())
        batches = passes.batches(problem, Schedule(pgd_batch_size=batch_size), 0)
        done = first = resumed(problem, noise)
        with problem.progress.task(f"noise by {method}", len(batches) - first) as advance:
            for after, chunk in passes.chunks(problem, batches, first):
                passes.move(
                    problem, noise, chunk, lambda index: noise.encode(_walked(problem, pgd, aim, restarts, index))
                )
                advance(after - done)
                done = after
                pause(problem, noise, done)
    return noise


def need_own_rows(problem: Problem, method: str) -> None:
    """Refuse shared rows.

    Raises:
        DataError: when samples share rows.
    """
    if problem.shared:
        raise DataError(f"{method} makes noise for one image at a time; in a recipe: rows: sample-wise")


def _walked(problem: Problem, pgd: PGD, aim: Aim, restarts: int, index: Tensor) -> Tensor:
    """Noise of samples at positions `index` (B,), shape (B, ...) as the domain has it."""
    data = problem.batches
    part = Part(training.to_float(data.images[index]), data.labels[index], data.keys[index])
    best, record = part.images.new_empty(0), part.images.new_full((len(index),), float("inf"))
    for restart in range(restarts):
        held = _start(problem, part, restart if restart or pgd.random_start else None)
        for step in range(pgd.steps):
            direction = aim.direction(part, held, restart * pgd.steps + step)
            held = problem.domain.project(held - pgd.step_size * direction.sign(), part.images, problem.epsilon)
        if restarts == 1:
            return held
        losses = aim.losses(part, held)
        better = losses < record
        best = torch.where(better[:, None, None, None], held, best) if restart else held
        record = torch.where(better, losses, record)
    return best


def _start(problem: Problem, part: Part, number: int | None) -> Tensor:
    """Uniform noise of the whole budget, drawn by sample and start, or none."""
    shape = problem.domain.shape(tuple(part.images.shape[1:]))
    if number is None:
        return part.images.new_zeros((len(part.images), *shape))
    draws = randomness.uniform(problem.seed, "random-start", number, part.keys, shape)
    return problem.domain.project((2 * draws - 1) * problem.epsilon, part.images, problem.epsilon)


def resumed(problem: Problem, noise: noises.Noise) -> int:
    """Batches that a checkpoint holds, loaded into the noise."""
    cursor = problem.checkpoints.load(noise.values, *_nothing_learns()) if problem.checkpoints else None
    if cursor is None:
        return 0
    problem.progress.log("resumed", batches=cursor.moved)
    return cursor.moved


def pause(problem: Problem, noise: noises.Noise, done: int) -> None:
    """Between two batches: checkpoint when it is time, and leave when a stop was requested.

    Raises:
        Interrupted: after a stop request.
    """
    stop = problem.workers.stop_requested()
    if problem.workers.main and problem.checkpoints and (stop or problem.checkpoints.due()):
        problem.checkpoints.save(Cursor(moved=done), noise.values, *_nothing_learns())
    if stop:
        kept = " with a checkpoint; the same command goes on from it" if problem.checkpoints else ""
        raise Interrupted(f"stopped after {done} batches{kept}")


def _nothing_learns() -> tuple[nn.Module, torch.optim.SGD]:
    """What a checkpoint keeps besides the noise; the frozen networks have a file of their own, see ensemble.py."""
    return nn.Identity(), torch.optim.SGD([torch.zeros(1)], lr=1.0)
