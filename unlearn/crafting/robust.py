"""The robust loop: every surrogate step first moves the noise of its own batch, through what a trainer may do to it.

Fu et al., ICLR 2022, *Robust Unlearnable Examples*, Algorithm 1. Noise starts anew from a random point each time a
batch comes up, so that in the end one pass with the last surrogate gives every sample its noise. Deviations from the
released code: that last pass leaves no sample out; images plus noise are clipped to [0, 1]; transformations are drawn
for the whole batch at once. Rows that samples share, which the paper does not have, start from where they are instead,
because each batch holds some of their members only.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearn import augmentation, mixed_precision, pgd, randomness, training
from unlearn.crafting import channel, passes
from unlearn.crafting import noise as noises
from unlearn.crafting.folding import folded
from unlearn.crafting.problem import Problem
from unlearn.crafting.robustness import Robustness
from unlearn.crafting.schedule import Cursor, Schedule
from unlearn.perturbation import Additive
from unlearn.pgd import PGD
from unlearn.randomness import Draws
from unlearn.stretched import Stretched

# Images (B, C, H, W) as the surrogate is to see them in a noise step, disturbed by whatever the method expects.
Disturb = Callable[[nn.Module, Tensor, Tensor, Draws], Tensor]


@dataclass(frozen=True)
class Bench:
    """Everything the loop works on, the same in every process."""

    problem: Problem
    pgd: PGD
    settings: Robustness
    disturb: Disturb
    noise: noises.Noise
    network: nn.Module
    optim: torch.optim.SGD


def robust(problem: Problem, settings: Robustness, moves: PGD, disturb: Disturb) -> Additive | Stretched:
    """Run the loop to its end and return the noise.

    Args:
        moves: the descent of the noise.
        disturb: what comes between the transformed noisy images and the surrogate while the noise moves.

    Raises:
        Interrupted: after a stop request, with a checkpoint written if there is a place for one.
        WorkersError: when processes disagree about the surrogate.
    """
    with problem.workers.pinned():
        network = problem.network()
        optim = training.optimizer(network, problem.surrogate.sgd)
        noise = problem.noise(moves.step_size)
        bench = Bench(problem, moves, settings, disturb, noise, network, optim)
        cursor = _learn(bench, _resume(bench))
        _finish(bench, cursor)
        return problem.perturbation(noise)


def adversary(settings: Robustness, precision: torch.dtype = torch.float32) -> Disturb:
    """The worst images within `settings.radius`, found by projected gradient ascent from a random start."""

    def disturb(network: nn.Module, images: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        start = (2 * draws.uniform("adversary", tuple(images.shape[1:])) - 1) * settings.radius
        delta = pgd.project(start if settings.attack.random_start else 0 * start, images, settings.radius)
        for _ in range(settings.attack.steps):
            noisy = (images + delta).requires_grad_()
            with mixed_precision.autocast(images.device, precision):
                loss = F.cross_entropy(network(noisy), labels, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, noisy)
            delta = pgd.step(delta, gradient, images, settings.radius, -settings.attack.step_size)
        return images + delta

    return disturb


def uniform_noise(settings: Robustness) -> Disturb:
    """Uniform noise within `settings.radius`, drawn once."""

    def disturb(network: nn.Module, images: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        offsets = (2 * draws.uniform("stable", tuple(images.shape[1:])) - 1) * settings.radius
        return (images + offsets).clamp(0.0, 1.0)

    return disturb


def _learn(bench: Bench, cursor: Cursor) -> Cursor:
    """Adversarial training of the surrogate on noisy, transformed images."""
    problem, settings = bench.problem, bench.settings
    attack = adversary(settings, problem.precision)
    with problem.progress.task("robust surrogate", settings.steps) as advance:
        advance(cursor.trained)
        for step in range(cursor.trained, settings.steps):
            index = _batch(bench, step)
            _move(bench, index, step)
            _update(bench, attack, index, step)
            cursor = replace(cursor, trained=step + 1)
            advance(1)
            _pause(bench, cursor)
    problem.workers.agree(bench.network)
    return cursor


def _batch(bench: Bench, step: int) -> Tensor:
    keys, size = bench.problem.batches.keys, bench.settings.batch_size
    epoch, number = divmod(step, max(1, len(keys) // size))  # not what does not fill a last batch
    return randomness.permutation(bench.problem.seed, "surrogate", epoch, keys).split(size)[number]


def _move(bench: Bench, index: Tensor, step: int) -> None:
    mine = index[bench.problem.row_on_device[index] >= 0]
    if len(mine):
        bench.network.eval()
        tasks = list(mine.split(passes.CPU_TASK if bench.problem.workers.device.type == "cpu" else len(mine)))
        passes.move(bench.problem, bench.noise, tasks, partial(_stepped, bench, step))


def _stepped(bench: Bench, step: int, index: Tensor) -> Tensor:
    """PGD on samples at positions `index` (B,): their noise, encoded."""
    problem, data, domain = bench.problem, bench.problem.batches, bench.problem.domain
    images, labels, keys = training.to_float(data.images[index]), data.labels[index], data.keys[index]
    held = domain.project(_start(bench, step, index), images, problem.epsilon)
    for number in range(bench.pgd.steps):
        gradient = torch.zeros_like(held)
        for sample in range(bench.settings.samples):
            place = (step * bench.pgd.steps + number) * bench.settings.samples + sample
            gradient += _gradient(bench, images, held, labels, Draws(problem.seed, -1 - place, keys))
        held = domain.project(held - bench.pgd.step_size * gradient.sign(), images, problem.epsilon)
    return bench.noise.encode(held)


def _start(bench: Bench, step: int, index: Tensor) -> Tensor:
    problem = bench.problem
    if problem.shared:
        return bench.noise.delta(problem.row_on_device[index])
    shape = tuple(bench.noise.values.shape[1:])
    start = randomness.uniform(problem.seed, "robust-start", step, problem.batches.keys[index], shape)
    return (2 * start - 1) * problem.epsilon


def _gradient(bench: Bench, images: Tensor, noise: Tensor, labels: Tensor, draws: Draws) -> Tensor:
    """Of the loss at the disturbed view, carried back through the transformation to the noise."""
    held = noise.detach().requires_grad_()
    noisy = bench.problem.domain.noisy(images, held).clamp(0.0, 1.0)
    view = _look(bench.settings, noisy, draws)
    disturbed = bench.disturb(bench.network, view.detach(), labels, draws)
    with mixed_precision.autocast(images.device, bench.problem.precision):
        loss = F.cross_entropy(bench.network(view + (disturbed - view).detach()), labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, held)
    return gradient


def _look(settings: Robustness, images: Tensor, draws: Draws) -> Tensor:
    return channel.look(
        settings.channel, augmentation.standard_augmentation(images, draws, settings.transformations), draws
    )


def _update(bench: Bench, attack: Disturb, index: Tensor, step: int) -> None:
    """One step of the surrogate on the adversary's version of its transformed noisy batch."""
    problem, settings, data = bench.problem, bench.settings, bench.problem.batches
    draws = Draws(problem.seed, step, data.keys[index])
    delta = bench.noise.delta(problem.row_on_device[index])
    noisy = problem.domain.noisy(training.to_float(data.images[index]), delta).clamp(0.0, 1.0)
    view = _look(settings, noisy, draws)
    bench.network.eval()
    seen = attack(bench.network, view, data.labels[index], draws)
    bench.network.train()
    bench.optim.param_groups[0]["lr"] = problem.surrogate.sgd.lr * settings.decay ** (step // settings.decay_every)
    with mixed_precision.autocast(problem.workers.device, problem.precision):
        loss = F.cross_entropy(bench.network(seen), data.labels[index])
    training.update(bench.network, bench.optim, loss, problem.surrogate.sgd.clip)


def _finish(bench: Bench, cursor: Cursor) -> None:
    """Noise for every sample from the last surrogate."""
    problem = bench.problem
    size = bench.settings.batch_size
    batches = passes.batches(problem, Schedule(pgd_batch_size=size), 0)
    still = replace(bench, network=folded(bench.network))
    with problem.progress.task("noise", len(batches)) as advance:
        for done, chunk in passes.chunks(problem, batches, cursor.moved):
            passes.move(problem, bench.noise, chunk, partial(_stepped, still, bench.settings.steps))
            advance(done - cursor.moved)
            cursor = replace(cursor, moved=done)
            _pause(bench, cursor)


def _pause(bench: Bench, cursor: Cursor) -> None:
    passes.pause(bench.problem, cursor, bench.noise, bench.network, bench.optim, place=f"at step {cursor.trained}")


def _resume(bench: Bench) -> Cursor:
    cursor = passes.resume(bench.problem, bench.noise, bench.network, bench.optim)
    return cursor or Cursor()
