"""The rows of an audit against matching, computed from features: who is found again, by which attack.

One user at a time protects, unless everybody does. Probes are clean; the gallery holds the user's photos, everybody
else's, and distractors. A photo without a face that a detector finds is counted, and never as protection.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from unlearn.audit import gallery as math_of
from unlearn.audit.gallery import Features, Ranks, Values, found

CLEAN, RANDOM, PROTECTED, OTHER_KEY = "clean", "random", "protected", "other-key"
ONE, EVERYBODY = "each", "all"


@dataclass(frozen=True, eq=False)
class Known:
    """One person as one recogniser sees them, rows NaN where no face was found.

    sets: the gallery photos by what was done to them, in the same order: `clean` always, `protected` for users.
    taught: photos of this person that an attacker protected by himself; None: he takes the protected ones.
    """

    name: str
    probes: Features
    sets: Mapping[str, Features]
    taught: Features | None = None


@dataclass(frozen=True, eq=False)
class Gallery:
    """All people and the distractors, for one recogniser after one channel."""

    people: tuple[Known, ...]
    distractors: Features

    def users(self, chosen: str) -> list[Known]:
        """People who have photos of this set that a detector found, and probes."""
        having = [known for known in self.people if len(found(known.sets.get(chosen, known.probes[:0])))]
        return [known for known in having if len(found(known.probes))]

    def rest(self, user: Known, chosen: str = CLEAN) -> Features:
        """Everybody else's photos, of the chosen set where they have it, and the distractors; shape (M, D)."""
        others = [found(p.sets.get(chosen, p.sets[CLEAN])) for p in self.people if p is not user]
        return np.concatenate([*others, found(self.distractors)])

    @cached_property
    def threshold(self) -> float:
        """Cosine at a false-accept rate of 1e-3, from clean impostor pairs of this gallery."""
        probes = [found(person.probes) for person in self.people]
        return math_of.threshold(probes, [self.rest(person) for person in self.people])


@dataclass
class Outcome:
    """By person, for every probe: the place of the best own photo, and the share of own photos accepted."""

    ranks: dict[str, Ranks] = field(default_factory=dict)
    accepted: dict[str, Values] = field(default_factory=dict)

    def add(self, other: "Outcome") -> None:
        """Take in the people of another outcome."""
        self.ranks |= other.ranks
        self.accepted |= other.accepted


class Attack(Protocol):
    """An attack as a function of features; see `nearest` for the arguments."""

    def __call__(
        self, scene: Gallery, chosen: str, who: str = ..., leak: float = ..., only: Iterable[str] | None = ...
    ) -> Outcome:
        """By person, the rank of every probe."""
        ...


def nearest(
    scene: Gallery, chosen: str, who: str = ONE, leak: float = 0.0, only: Iterable[str] | None = None
) -> Outcome:
    """1-NN by cosine.

    Args:
        chosen: the set that the user's gallery photos come from. leak: share of them that is clean all the same.
        who: `each` for one user at a time, `all` for everybody at once. only: names of the users to try.
    """
    outcome = Outcome()
    for user in _tried(scene, chosen, only):
        probes, own = found(user.probes), found(leaked(user, chosen, leak))
        others = scene.rest(user, chosen if who == EVERYBODY else CLEAN)
        outcome.ranks[user.name] = math_of.ranks(probes, own, others)
        outcome.accepted[user.name] = math_of.accepted(probes, own, scene.threshold)
    return outcome


def linear(
    scene: Gallery, chosen: str, who: str = ONE, leak: float = 0.0, only: Iterable[str] | None = None
) -> Outcome:
    """A linear probe over all people; distractors, who have a single photo each, are left out. Arguments as above."""
    outcome, start = Outcome(), None
    if len(scene.people) < 2:
        return outcome
    for user in _tried(scene, chosen, only):
        sets = [
            found(leaked(p, chosen, leak) if p is user or who == EVERYBODY else p.sets[CLEAN]) for p in scene.people
        ]
        labels = np.repeat(np.arange(len(sets)), [len(each) for each in sets])
        place = scene.people.index(user)
        ranks, start = math_of.linear_ranks(np.concatenate(sets), labels, found(user.probes), place, start)
        outcome.ranks[user.name] = ranks
    return outcome


def _tried(scene: Gallery, chosen: str, only: Iterable[str] | None) -> list[Known]:
    names = None if only is None else set(only)
    return [user for user in scene.users(chosen) if names is None or user.name in names]


def leaked(user: Known, chosen: str, leak: float) -> Features:
    """The user's gallery photos of a set, a share of them clean: at least one where the share is not zero."""
    clean, changed = user.sets[CLEAN], user.sets.get(chosen, user.sets[CLEAN])
    count = math.ceil(leak * len(changed) - 1e-9)
    if not count:
        return changed
    order = np.random.default_rng(int.from_bytes(user.name.encode()[:8].ljust(8), "little")).permutation(len(changed))
    mixed = changed.copy()
    mixed[order[:count]] = clean[order[:count]]
    return mixed


def groups(names: Iterable[str], count: int, seed: int) -> list[list[str]]:
    """People dealt to `count` groups, another deal for every seed; no group is empty."""
    listed = sorted(names)
    order = np.random.default_rng(seed).permutation(len(listed))
    dealt = [[listed[i] for i in order[start::count]] for start in range(count)]
    return [group for group in dealt if group]
