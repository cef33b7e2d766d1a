"""Trainings of an audit side by side, as many as cores and memory allow.

On a CPU a training has one thread: sums then do not depend on the cores, and small networks on small batches, as in
audits, gain little from a second one. On a GPU they run one after the other.
"""

from collections.abc import Callable, Sequence
from math import prod

from unlearn import memory
from unlearn.crafting.workers import Workers
from unlearn.errors import Interrupted
from unlearn.images import Pixels
from unlearn.progress import Advance, Progress
from unlearn.signals import StopRequest

Training = Callable[[Advance], None]  # called with what is to be told of every epoch
HELD = 600  # float32 numbers that a ResNet-18 holds in a step for each number of its images


def at_once(threads: int, batch_size: int, images: Pixels) -> int:
    """How many run at a time: one a thread, as far as a ResNet-18's batches of such images fit into half the memory."""
    granted, each = memory.granted(), batch_size * prod(images.shape[1:]) * 4 * HELD
    return threads if granted is None else max(1, min(threads, granted // 2 // each))


def run(trainings: Sequence[Training], epochs: int, team: Workers, progress: Progress, stop: StopRequest) -> None:
    """Run them all on the team's threads; once a stop is requested no further one begins."""
    with team.pinned(), progress.task(f"trainings ({len(trainings)})", len(trainings) * epochs) as advance:

        def one(training: Training) -> None:
            if not stop.requested:
                share = _Share(advance, epochs, stop)
                training(share.advance)
                share.advance(epochs)

        team.map(one, trainings)


class _Share:
    """One training's part of the progress: never more than the planned epochs, whatever a defense does."""

    def __init__(self, whole: Advance, epochs: int, stop: StopRequest):
        self.whole, self.left, self.stop = whole, epochs, stop

    def advance(self, epochs: int) -> None:
        if self.stop.at_once:  # a second interrupt reaches the first thread only, which waits for all
            raise Interrupted("audit interrupted; the same command runs the training again")
        step = min(epochs, self.left)
        self.left -= step
        self.whole(step)
