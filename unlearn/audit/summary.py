"""The summary of an audit: without a defense, at the worst case, and in plain words."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from unlearn.audit import report_measures as measures
from unlearn.audit import report_verdict
from unlearn.audit.report_measures import Line, Measure

__all__ = ["Line", "Measure", "summarize", "table", "verdict"]


def summarize(rows: list[dict[str, Any]], chance: float) -> dict[str, Any]:
    """The `summary` of results.json.

    `clean`, `random` and `protected` are means over seeds of the first victim without a defense; `worst_case`
    is the highest mean over all defenses and victims at the last epoch, `worst_peak` at the best epoch;
    `protection` is (clean - protected) / (clean - chance), `least_protection` the smallest one over all defenses and
    victims under which clean images teach anything. What was not run is None.
    """
    found = measures.lines(rows, chance)
    first = measures.primary(found)
    others = [name for name in measures.protected_sets(rows) if name != "protected"]
    summary: dict[str, Any] = {"victim": found[0].victim if found else None}
    for name in ("clean", "random"):
        summary |= _mean(name, first.last[name] if first else None)
    summary |= _of_set(found, first, "protected")
    summary["sets"] = {name: _of_set(found, first, name) for name in others}
    return summary


def _mean(key: str, figure: Measure | None) -> dict[str, Any]:
    return {key: figure.mean if figure else None, f"{key}_interval": figure.interval if figure else None}


def _of_set(found: Sequence[Line], first: Line | None, name: str) -> dict[str, Any]:
    here = first.last.get(name) if first else None
    return {
        **_mean("protected", here),
        "seeds": here.seeds if here else 0,
        "protection": first.protection(name) if first else None,
        **_worst(measures.highest(found, name), name),
        **_worst_peak(measures.highest(found, name, peak=True), name),
        **_weakest(measures.weakest(found, name), name),
    }


def _worst(line: Line | None, name: str) -> dict[str, Any]:
    last = line.last[name] if line else None
    clean = line.last["clean"] if line else None
    return {
        **_mean("worst_case", last),
        "worst_defense": line.defense if line else None,
        "worst_victim": line.victim if line else None,
        "worst_clean": clean.mean if clean else None,
        "gap_to_clean": clean.mean - last.mean if clean and last else None,
        "worst_protection": line.protection(name) if line else None,
    }


def _worst_peak(line: Line | None, name: str) -> dict[str, Any]:
    peak = line.peak[name] if line else None
    return {
        "worst_peak": peak.mean if peak else None,
        "worst_peak_defense": line.defense if line else None,
        "worst_peak_victim": line.victim if line else None,
    }


def _weakest(line: Line | None, name: str) -> dict[str, Any]:
    return {
        "least_protection": line.protection(name) if line else None,
        "least_protection_defense": line.defense if line else None,
        "least_protection_victim": line.victim if line else None,
    }


def table(results: Mapping[str, Any]) -> list[Line]:
    """One line per defense and victim, with the worst case marked."""
    found = measures.lines(results["rows"], results["chance"])
    worst = measures.highest(found, "protected")
    return [replace(line, worst=line is worst) for line in found]


def verdict(results: Mapping[str, Any]) -> list[str]:
    """Exactly three sentences for a person who knows nothing about machine learning; a pre-screen says what it is."""
    first, *others = report_verdict.sentences(table(results), results["chance"], results.get("not_run") or ())
    if results.get("prescreen"):
        first = f"{results['prescreen']}: {first[0].lower()}{first[1:]}"
    return [first, *others]
