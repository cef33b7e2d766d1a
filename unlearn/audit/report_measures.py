"""What the rows of an audit say: means over seeds and intervals, by training set, defense and victim."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LAST = "clean_test_accuracy"
PEAK = "peak_clean_test_accuracy"
CONTROLS = ("clean", "random", "protected")
NO_DEFENSE = "none"
LEARNED = 0.05  # above chance; less is hardly anything


@dataclass(frozen=True)
class Measure:
    """A mean over seeds; `low` and `high` bound Student's 95 % interval, None with a single seed."""

    mean: float
    low: float | None
    high: float | None
    seeds: int

    @property
    def interval(self) -> list[float] | None:
        """[low, high] as results.json holds it."""
        return None if self.low is None or self.high is None else [self.low, self.high]


@dataclass(frozen=True)
class Line:
    """One line of the table: a defense and a victim, with the accuracy per training set (None: not run)."""

    defense: str
    victim: str
    last: Mapping[str, Measure | None]
    peak: Mapping[str, Measure | None]
    chance: float
    worst: bool = False

    def protection(self, name: str = "protected") -> float | None:
        """Share of what the clean images teach that is lost: 1 at chance level, 0 for no effect."""
        return protection(self.last.get("clean"), self.last.get(name), self.chance)


def number(value: Any) -> float | None:
    """A finite number, or None for anything that cannot be averaged."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def distinct(values: Iterable[str]) -> list[str]:
    """Without repetitions, in order of first appearance."""
    return list(dict.fromkeys(values))


def pooled(rows: Iterable[Mapping[str, Any]], name: str = LAST) -> Measure | None:
    """The mean of one field, one value a seed; a repeated seed counts once, with its later value."""
    by_seed = {row.get("seed"): value for row in rows if (value := number(row.get(name))) is not None}
    values = [by_seed[seed] for seed in by_seed]
    if not values:
        return None
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Measure(mean, None, None, 1)
    half = _half_width(values, mean)
    return Measure(mean, mean - half, mean + half, len(values))


def _half_width(values: Sequence[float], mean: float) -> float:
    from scipy.special import stdtrit  # only the quantile is needed; scipy.stats takes a second to import

    count = len(values)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    return float(stdtrit(count - 1, 0.975)) * deviation / math.sqrt(count)


def measure(
    rows: Iterable[Mapping[str, Any]], train_on: str, defense: str, victim: str, name: str = LAST
) -> Measure | None:
    """One cell of the grid; None when it was not run or gave no number."""
    place = (train_on, defense, victim)
    return pooled((r for r in rows if (r["train_on"], r["defense"], r["victim"]) == place), name)


def protection(clean: Measure | None, protected: Measure | None, chance: float) -> float | None:
    """(clean - protected) / (clean - chance); None when a figure is missing or clean is not above chance."""
    if clean is None or protected is None or clean.mean <= chance:
        return None
    return (clean.mean - protected.mean) / (clean.mean - chance)


def set_names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Training sets in the order of the columns: the controls, run or not, then further sets."""
    return distinct([*CONTROLS, *(row["train_on"] for row in rows)])


def protected_sets(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The sets among them that are protected: `protected` if it was run, and `protected:<name>`."""
    names = distinct(row["train_on"] for row in rows)
    return [name for name in names if name.partition(":")[0] == "protected"]


def methods(results: Mapping[str, Any]) -> dict[str, str]:
    """The method of every protected set, where it is recorded."""
    recorded = {name: each.get("method") for name, each in (results.get("sets") or {}).items()}
    known = {"protected": results.get("method")} | recorded
    return {name: str(known[name]) for name in protected_sets(results["rows"]) if known.get(name)}


def title(results: Mapping[str, Any], name: str) -> str:
    """A set by its recipe, without the folder: `ops` for `protected:small/ops`, `random (ops)` for its control."""
    group, _, detail = name.partition(":")
    short = (detail or str(results.get("name") or name)).rpartition("/")[2]
    if group == "protected":
        return short
    return f"{group} ({short})" if detail else name


def lines(rows: Sequence[Mapping[str, Any]], chance: float) -> list[Line]:
    """Every defense with every victim, also pairs that were not run."""
    names = set_names(rows)
    defenses, victims = (distinct(row[key] for row in rows) for key in ("defense", "victim"))
    found = [
        Line(
            defense,
            victim,
            last={name: measure(rows, name, defense, victim) for name in names},
            peak={name: measure(rows, name, defense, victim, PEAK) for name in names},
            chance=chance,
        )
        for defense in defenses
        for victim in victims
    ]
    return found


def highest(found: Iterable[Line], name: str, *, peak: bool = False) -> Line | None:
    """The line where a training set taught most; of equal ones the first."""
    best: tuple[float, Line] | None = None
    for line in found:
        here = (line.peak if peak else line.last).get(name)
        if here is not None and (best is None or here.mean > best[0]):
            best = (here.mean, line)
    return best[1] if best else None


def weakest(found: Iterable[Line], name: str) -> Line | None:
    """The line where a protected set loses the smallest share of what clean images teach under the same defense.

    Lines where clean images teach hardly anything say nothing about it. Of equal ones the first.
    """
    shares = [
        (share, place, line)
        for place, line in enumerate(found)
        if (share := line.protection(name)) is not None and (clean := line.last["clean"])
        if clean.mean - line.chance >= LEARNED
    ]
    return min(shares, key=lambda each: each[:2])[2] if shares else None


def primary(found: Sequence[Line]) -> Line | None:
    """The first victim without a defense; None when that was not run."""
    victim = found[0].victim if found else None
    return next((line for line in found if (line.defense, line.victim) == (NO_DEFENSE, victim)), None)
