"""Figures against what a recipe expects of them."""

from collections.abc import Iterator
from statistics import mean
from typing import Any

from unlearn.recipe import Recipe
from unlearn.recipe_schema import Expected


def misses(settings: Recipe, results: dict[str, Any]) -> list[str]:
    """Figures outside what the recipe expects, one line each; [] when all hold."""
    means = set_means(results)
    return [
        f"{name}: {means.get(name, float('nan')):.4f}, expected {wish}"
        for name, expected in settings.expected.items()
        for wish, holds in _wishes(expected, name, means)
        if not holds
    ]


def set_means(results: dict[str, Any]) -> dict[str, float]:
    """Mean clean test accuracy by training set, for the first victim without a defense."""
    first = results["rows"][0]
    rows = [r for r in results["rows"] if (r["victim"], r["defense"]) == (first["victim"], first["defense"])]
    names = dict.fromkeys(row["train_on"] for row in rows)
    return {name: mean(r["clean_test_accuracy"] for r in rows if r["train_on"] == name) for name in names}


def _wishes(expected: Expected, name: str, means: dict[str, float]) -> Iterator[tuple[str, bool]]:
    value = means.get(name, float("nan"))
    if expected.at_least is not None:
        yield f"at least {expected.at_least}", value >= expected.at_least
    if expected.at_most is not None:
        yield f"at most {expected.at_most}", value <= expected.at_most
    if expected.within is not None:
        other = means.get(expected.of or "clean", float("nan"))
        yield (
            f"within {expected.within} of {expected.of} ({other:.4f})",
            abs(value - other) <= expected.within,
        )
