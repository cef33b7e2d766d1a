"""Rows of results.json of an audit against matching, and what they say together: lines, worst row, summary.

A row is one set under one attack with one seed, and holds every probe's rank, so that all figures can be made again.
A line joins the sets and seeds of one attack: clean, random and protected beside each other.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unlearn.audit import gallery
from unlearn.audit.face_rows import CLEAN, PROTECTED, Gallery, Outcome, found
from unlearn.audit.gallery import Values

KS = (1, 5, 50)
# What tells lines apart; rows of a research table have methods, surrogates and halves besides.
LINE = ("method", "surrogates", "half", "recogniser", "channel", "attack", "who", "leak")
FEW_PEOPLE = 10


def row(outcome: Outcome, scene: Gallery, facts: Mapping[str, Any], candidates: int) -> dict[str, Any]:
    """One row: facts say recogniser, channel, attack, who, leak, set and seed; candidates: from whom a probe chooses.

    A rank among fewer candidates than that rank says nothing and is None.
    """
    users = [person for person in scene.people if person.name in outcome.ranks]
    protecting = [person for person in scene.people if PROTECTED in person.sets] or scene.people
    having = [person for person in protecting if facts["set"] in person.sets]
    ranks, accepted = list(outcome.ranks.values()), list(outcome.accepted.values())
    first = [np.asarray(each == 1, dtype=np.float64) for each in ranks]
    low, high = gallery.interval(first) if first else (None, None)
    return {
        **facts,
        "people": len(users),
        "probes": sum(map(len, ranks)),
        "not_found": sum(len(p.sets[facts["set"]]) - len(found(p.sets[facts["set"]])) for p in having),
        "people_not_found": len([p for p in having if not len(found(p.sets[facts["set"]]))]),
        **{f"rank_{k}": _share(ranks, k) if candidates > k else None for k in KS},
        "tar": gallery.mean(accepted) if accepted else None,
        "threshold": scene.threshold if accepted else None,
        "low": low,
        "high": high,
        "by_person": {name: float((each == 1).mean()) for name, each in outcome.ranks.items()},
        "ranks": {name: each.tolist() for name, each in outcome.ranks.items()},
        "accepted": {name: each.round(4).tolist() for name, each in outcome.accepted.items()},
    }


def _share(ranks: Sequence[Any], k: int) -> float | None:
    return float((np.concatenate(list(ranks)) <= k).mean()) if ranks else None


@dataclass(frozen=True)
class Figure:
    """One set of a line, over all seeds: rank-1 with its 95 % interval, and the other figures."""

    rank_1: float
    low: float
    high: float
    rank_5: float | None
    rank_50: float | None
    tar: float | None
    seeds: int
    people: int
    probes: int
    not_found: int


@dataclass(frozen=True)
class Line:
    """One attack: what LINE names, facts of the recogniser, a figure by set, and [gap, low, high] clean - protected."""

    place: Mapping[str, Any]
    facts: Mapping[str, Any]
    sets: Mapping[str, Figure]
    gap: tuple[float, float, float] | None

    @property
    def white_box(self) -> bool:
        """True where the noise was crafted on this very recogniser."""
        return self.facts.get("white_box") is True

    @property
    def title(self) -> str:
        """`dlib, jpeg-75, 1-NN, 10 % leaked`."""
        parts = [self.place.get("method"), self.place["recogniser"], self.place["channel"], self.place["attack"]]
        if self.place.get("surrogates"):
            parts.append(f"crafted on {self.place['surrogates']}")
        if self.place.get("half"):
            parts.append(f"{self.place['half']} photos")
        if self.place["who"] != "each":
            parts.append("everybody protected")
        if self.place["leak"]:
            parts.append(f"{self.place['leak']:.0%} of the gallery clean")
        return ", ".join(str(part) for part in parts if part and part != "none")


def lines(rows: Iterable[Mapping[str, Any]]) -> list[Line]:
    """Rows joined by LINE, in order of appearance; rows without a probe are left out."""
    joined: dict[tuple[Any, ...], dict[str, list[Mapping[str, Any]]]] = {}
    for each in rows:
        if each["probes"]:
            place = tuple(each.get(name) for name in LINE)
            joined.setdefault(place, {}).setdefault(each["set"], []).append(each)
    return [_line(dict(zip(LINE, place, strict=True)), sets) for place, sets in joined.items()]


def _line(place: Mapping[str, Any], sets: Mapping[str, Sequence[Mapping[str, Any]]]) -> Line:
    facts = {name: next(iter(sets.values()))[0].get(name) for name in ("white_box", "family", "trained_on", "kin")}
    gap = None
    if CLEAN in sets and PROTECTED in sets:
        before, after = (hits(sets[name]) for name in (CLEAN, PROTECTED))
        both = [n for n in before if n in after and len(before[n]) == len(after[n])]
        if both:
            made = gallery.difference([before[n] for n in both], [after[n] for n in both])
            gap = (float(made[0]), float(made[1]), float(made[2]))
    return Line(place, facts, {name: figure(mine) for name, mine in sets.items()}, gap)


def hits(rows: Sequence[Mapping[str, Any]]) -> dict[str, Values]:
    """By person, for every probe the share of seeds in which it was matched at rank 1."""
    people: dict[str, list[Values]] = {}
    for each in rows:
        for name, ranks in each["ranks"].items():
            people.setdefault(name, []).append(np.array([rank == 1 for rank in ranks], dtype=np.float64))
    return {name: np.mean(seeds, axis=0) for name, seeds in people.items() if len({len(s) for s in seeds}) == 1}


def figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """All seeds of one set; the interval is over people and their probes."""
    low, high = gallery.interval(list(hits(rows).values()))
    rank_1, rank_5, rank_50, tar = (_mean(rows, name) for name in ("rank_1", "rank_5", "rank_50", "tar"))
    return Figure(
        rank_1=rank_1 or 0.0,
        low=low,
        high=high,
        rank_5=rank_5,
        rank_50=rank_50,
        tar=tar,
        seeds=len({each["seed"] for each in rows}),
        people=max(each["people"] for each in rows),
        probes=max(each["probes"] for each in rows),
        not_found=max(each["not_found"] for each in rows),
    )


def _mean(rows: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [each[name] for each in rows if each.get(name) is not None]
    return float(np.mean(values)) if values else None


def worst(found_lines: Iterable[Line], leak: bool = True) -> Line | None:
    """The line in which most protected probes are matched; recognisers that the noise was crafted on don't count.

    Where there is none but those, they do. leak: with lines in which some gallery photos are clean.
    """
    able = [line for line in found_lines if PROTECTED in line.sets and (leak or not line.place["leak"])]
    able = [line for line in able if not line.white_box] or able
    return max(able, key=lambda line: line.sets[PROTECTED].rank_1, default=None)


def summarize(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The `summary` of results.json: the first line, the worst row without and with leaks, the white-box line."""
    every = lines(rows)
    plain = [line for line in every if PROTECTED in line.sets and not line.place["leak"]]
    first = next((line for line in plain if not line.white_box), plain[0] if plain else None)
    white = next((line for line in plain if line.white_box), None)
    return {
        "threat": "matching",
        "direction": "protected gallery, clean probes",
        **(_told(first) or {}),
        "worst_case": _told(worst(every, leak=False)),
        "worst_with_leak": _told(worst(every)),
        "white_box": _told(white),
    }


def _told(line: Line | None) -> dict[str, Any] | None:
    if line is None:
        return None
    figures = {name: each.rank_1 for name, each in line.sets.items()}
    intervals = {f"{name}_interval": [each.low, each.high] for name, each in line.sets.items()}
    gap = {"gap": line.gap[0], "gap_interval": list(line.gap[1:])} if line.gap else {"gap": None, "gap_interval": None}
    return {"row": line.title, "recogniser": line.place["recogniser"], "white_box": line.facts["white_box"],
            **figures, **intervals, **gap}  # fmt: skip


def verdict(results: Mapping[str, Any]) -> list[str]:
    """Sentences for a person who knows nothing about face recognition: what, how well, and what is not known."""
    every = lines(results["rows"])
    here, leaking = worst(every, leak=False), worst(every)
    if here is None:
        return ["No protected photo could be matched against anything, so nothing is known."]
    sentences = [f"Worst row ({here.title}): {_compared(here)}."]
    if leaking is not None and leaking is not here:
        leaked = leaking.place["leak"]
        begin = f"Where {leaked:.0%} of a person's photos are out there clean" if leaked else f"In {leaking.title}"
        sentences.append(f"{begin}: {_compared(leaking)}.")
    if here.white_box:
        sentences.append("The noise was crafted on the recogniser that was asked, so this says little about others.")
    if here.facts["white_box"] is None:
        sentences.append("It is not known whether the noise was crafted on these recognisers; --surrogates names them.")
    if here.sets[PROTECTED].people < FEW_PEOPLE:
        count = here.sets[PROTECTED].people
        sentences.append(f"With {count} {'person' if count == 1 else 'people'} these figures are a first impression.")
    missing = results.get("not_run") or []
    if missing:
        sentences.append(f"Not tested: {'; '.join(missing)}.")
    return sentences


def _compared(line: Line) -> str:
    changed, clean = line.sets[PROTECTED], line.sets.get(CLEAN)
    start = f"{changed.rank_1:.1%} of new photos find their person first ({changed.low:.0%} to {changed.high:.0%})"
    if clean is None or line.gap is None:
        return f"{start}; the clean control was not run"
    control = f"; unprotected it is {clean.rank_1:.1%}"
    if line.gap[1] <= 0 <= line.gap[2]:
        return f"{start}{control}, which is no difference within the interval"
    word = "points fewer" if line.gap[0] > 0 else "points more"
    return f"{start}{control}: {abs(100 * line.gap[0]):.0f} {word}"
