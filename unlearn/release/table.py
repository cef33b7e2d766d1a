"""The audit table of the card, made from the rows of results.json."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import fmean, stdev
from typing import Any

from unlearn.release.markdown import plain

TRAIN_ON = ("clean", "random", "protected")
_Runs = list[dict[str, Any]]


def audit(rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table: one line a defense and victim, one column a training set, "not run" where empty."""
    others = {str(row.get("train_on")) for row in rows} - set(TRAIN_ON)
    columns = (*TRAIN_ON, *sorted(others))
    lines = [f"| defense | victim | {' | '.join(map(plain, columns))} |", "|---" * (len(columns) + 2) + "|"]
    for (defense, victim), cells in _grouped(rows).items():
        values = (cell(cells[column]) for column in columns)
        lines.append(f"| {plain(defense)} | {plain(victim)} | {' | '.join(values)} |")
    return "\n".join(lines)


def _grouped(rows: Sequence[dict[str, Any]]) -> dict[tuple[str, str], dict[str, _Runs]]:
    groups: dict[tuple[str, str], dict[str, _Runs]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        groups[str(row.get("defense")), str(row.get("victim"))][str(row.get("train_on"))].append(row)
    return groups


def cell(runs: _Runs) -> str:
    """`0.213 ± 0.012 (peak 0.240), 3 seeds`, or "not run"."""
    last = list(_numbers(runs, "clean_test_accuracy"))
    peak = list(_numbers(runs, "peak_clean_test_accuracy"))
    if not last:
        return "not run"
    interval = f" ± {half_width(last):.3f}" if len(last) > 1 else ""
    best = f"{fmean(peak):.3f}" if peak else "not run"
    return f"{fmean(last):.3f}{interval} (peak {best}), {len(last)} seed{'s' if len(last) > 1 else ''}"


def _numbers(runs: _Runs, key: str) -> Iterator[float]:
    values = (run.get(key) for run in runs)
    return (float(v) for v in values if isinstance(v, int | float) and math.isfinite(v))


def half_width(values: Sequence[float]) -> float:
    """Half the 95 % interval of the mean by Student's t; needs two values."""
    from scipy.stats import t  # slow import, needed with several seeds only

    return float(t.ppf(0.975, len(values) - 1)) * stdev(values) / math.sqrt(len(values))
