"""Groups of faces by average linkage, exact, without the matrix of all pairs.

Sokal and Michener, 1958 (UPGMA), merged by reciprocal nearest neighbors as in Murtagh, Comput. J. 1983. The mean cosine
between two groups is the product of their mean vectors, and a merge never brings a third group nearer than the nearer
of the two was. So a list of the nearest few is enough for every group until it runs dry, and a group whose nearest is
below the threshold is done for good. A density method needs one radius for all; two persons who share a few
look-alikes become one under single linkage, but not in the mean of all pairs.

n faces of D numbers cost n * D * 4 bytes, 70 n for the lists and 0.2 GB for blocks: 0.4 GB for 100,000 faces of 512.
Time is two to three products of all pairs, about 10 minutes on one core for those 100,000.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Numbers = NDArray[np.int64]
NEAREST: Final = 12
STRETCH: Final = 64  # columns that are ruled out at once by their maximum
BLOCK: Final = 1 << 23  # similarities in memory at once
NOTHING: Final = np.float32(-2)


def groups(features: Vectors, threshold: float, advance: Callable[[int], None] = lambda merged: None) -> Numbers:
    """Group numbers (N,) of unit features (N, D), 0 for the first row's group, then in the order of appearance.

    Args:
        threshold: mean cosine of all pairs between two groups at or above which they are one.
        advance: called with the number of groups that are settled or merged away, now and then; may raise to stop.
    """
    if not len(features):
        return np.zeros(0, dtype=np.int64)
    forest = _Forest(np.array(features, dtype=np.float32), threshold)
    while len(forest.alive):
        advance(forest.step())
    return _in_order(forest.roots())


def _in_order(roots: Numbers) -> Numbers:
    _, first, inverse = np.unique(roots, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def _likely(found: Vectors, highest: Vectors, starts: Numbers) -> tuple[Vectors, Numbers]:
    """The NEAREST stretches of each row with the highest maxima, which hold its NEAREST highest values, and where."""
    if len(starts) <= NEAREST:
        return found, np.broadcast_to(np.arange(found.shape[1]), found.shape)
    best = np.argpartition(highest, -NEAREST, axis=1)[:, -NEAREST:]
    at = (starts[best][:, :, None] + np.arange(STRETCH)).reshape(len(found), -1)
    inside = np.minimum(at, found.shape[1] - 1)
    return np.where(at == inside, np.take_along_axis(found, inside, 1), NOTHING), inside


class _Forest:
    """Groups in slots: the slot of a merged group is the smaller of the two.

    means (N, D): mean vectors. near, close (N, NEAREST): candidates and their similarities. bound (N,): no group
    outside the list is nearer. alive: slots that may still merge. column: the same slots and dead ones between them,
    renewed as they die, so that a search need not copy all means.
    """

    def __init__(self, features: Vectors, threshold: float):
        count = len(features)
        self.means, self.sizes, self.parent = features, np.ones(count), np.arange(count)
        self.threshold = np.float32(threshold)
        self.near = np.zeros((count, NEAREST), dtype=np.int32)
        self.close = np.full((count, NEAREST), NOTHING)
        self.bound = np.full(count, np.float32(2))
        self.alive = np.arange(count)
        self.is_alive = np.ones(count, dtype=bool)
        self.column, self.columns = self.alive, features

    def roots(self) -> Numbers:
        """The slot that every row ended in."""
        roots = self.parent
        while True:
            above = roots[roots]
            if (above == roots).all():
                return roots
            roots = above

    def step(self) -> int:
        """Find the nearest of every group, settle those without one, merge all that are nearest to each other."""
        before = len(self.alive)
        best = self.close[self.alive].max(1)
        self._search(self.alive[(best < self.bound[self.alive]) & (self.bound[self.alive] > self.threshold)])
        best = self.close[self.alive].max(1)
        self._bury(self.alive[best < self.threshold])
        if len(self.alive):
            self._merge(*self._pairs())
        return before - len(self.alive)

    def _bury(self, slots: Numbers) -> None:
        self.is_alive[slots] = False
        self.alive = self.alive[self.is_alive[self.alive]]
        if len(self.alive) < 0.7 * len(self.column):
            self.column, self.columns = self.alive, self.means[self.alive]

    def _search(self, slots: Numbers) -> None:
        """The nearest living groups of some, a block of rows at a time."""
        rows = max(1, BLOCK // max(1, len(self.column)))
        dead = np.flatnonzero(~self.is_alive[self.column])
        for start in range(0, len(slots), rows):
            block = slots[start : start + rows]
            found = self.means[block] @ self.columns.T
            found[:, dead] = NOTHING
            found[np.arange(len(block)), np.searchsorted(self.column, block)] = NOTHING
            self._keep(block, found)

    def _keep(self, block: Numbers, found: Vectors) -> None:
        """The highest of each row; what is below the threshold need not be remembered."""
        self.close[block], self.bound[block] = NOTHING, self.threshold
        starts = np.arange(0, found.shape[1], STRETCH)
        highest = np.maximum.reduceat(found, starts, axis=1)
        some = np.flatnonzero(highest.max(1) >= self.threshold)
        block, (found, at) = block[some], _likely(found[some], highest[some], starts)
        if found.shape[1] > NEAREST:
            top = np.argpartition(found, -NEAREST, axis=1)[:, -NEAREST:]
            found, at = np.take_along_axis(found, top, 1), np.take_along_axis(at, top, 1)
            self.bound[block] = np.maximum(found.min(1), self.threshold)
        self.near[block, : at.shape[1]] = self.column[at]
        self.close[block, : at.shape[1]] = np.where(found >= self.threshold, found, NOTHING)

    def _pairs(self) -> tuple[Numbers, Numbers]:
        """Groups that are each other's nearest: the smaller slots and the larger ones."""
        close, near = self.close[self.alive], self.near[self.alive]
        best = close.max(1)
        partner = np.where(close == best[:, None], near, np.iinfo(np.int32).max).min(1).astype(np.int64)
        nearest = np.full(len(self.parent), -1)
        nearest[self.alive] = partner
        mutual = (nearest[partner] == self.alive) & (self.alive < partner)
        if not mutual.any():  # the two products of a pair may differ in their last bit, and chase each other
            mutual[np.argmax(best)] = True
        first, second = self.alive[mutual], partner[mutual]
        return np.minimum(first, second), np.maximum(first, second)

    def _merge(self, into: Numbers, gone: Numbers) -> None:
        a, b = self.sizes[into], self.sizes[gone]
        share = (b / (a + b)).astype(np.float32)[:, None]
        self.means[into] += share * (self.means[gone] - self.means[into])
        self.sizes[into] = a + b
        self.parent[gone] = into
        self.columns[np.searchsorted(self.column, into)] = self.means[into]
        self.close[into], self.bound[into] = NOTHING, np.float32(2)
        self._bury(gone)
        self._follow(into)

    def _follow(self, changed: Numbers) -> None:
        """Candidates that were merged away become what they merged into, with its similarity."""
        is_changed = np.zeros(len(self.parent), dtype=bool)
        is_changed[changed] = True
        near = self.parent[self.near[self.alive]]
        row, at = np.nonzero(is_changed[near] & (self.close[self.alive] > NOTHING))
        for start in range(0, len(row), 1 << 15):
            some, place = row[start : start + (1 << 15)], at[start : start + (1 << 15)]
            slot, other = self.alive[some], near[some, place]
            product = np.einsum("nd,nd->n", self.means[slot], self.means[other])
            self.near[slot, place] = other
            self.close[slot, place] = np.where(product >= self.threshold, product, NOTHING)
