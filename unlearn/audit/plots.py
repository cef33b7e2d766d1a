"""The report's plots as SVG text whose colors are the page's own, so that they follow dark mode and print."""

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from unlearn.audit import report_measures as measures
from unlearn.audit.report_measures import Line, Measure
from unlearn.audit.report_style import DASHES, MARKERS, SERIES
from unlearn.audit.report_tables import Points
from unlearn.audit.report_text import escaped

# Colors that nothing else in the SVG has; they become the style sheet's variables.
INK, SOFT, RULE = "#010101", "#020202", "#030303"
_NAMES = {INK: "--ink", SOFT: "--soft", RULE: "--rule"}
_TOKENS = {f"#0a0a{i:02x}": f"--c{i}" for i in range(SERIES)}
Curves = dict[str, list[list[float]]]


def color(series: int) -> str:
    """The stand-in for a training set's color, by its place among the sets."""
    return f"#0a0a{series % SERIES:02x}"


def curves(results: Mapping[str, Any]) -> dict[tuple[str, str], Curves]:
    """Test accuracy per epoch of the first victim by (defense, victim), then set: one list a seed."""
    found: dict[tuple[str, str], Curves] = {}
    for row in results["rows"]:
        points = [measures.number(v) for v in (row.get("curve") or {}).get("test") or ()]
        if points and row["victim"] == results["rows"][0]["victim"]:
            group = found.setdefault((row["defense"], row["victim"]), {})
            group.setdefault(row["train_on"], []).append([float("nan") if v is None else v for v in points])
    return found


def epochs(group: Curves, names: Sequence[str], chance: float, title: str) -> str:
    """Test accuracy per epoch of one defense: the mean over seeds, and thin lines for each seed."""

    def draw(axes: Any) -> None:
        for place, name in enumerate(names):
            _epoch_lines(axes, group.get(name, []), place)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        _accuracy_axis(axes.yaxis)
        axes.set_ylim(0, 1)
        axes.axhline(chance, color=SOFT, linestyle=(0, (4, 3)), linewidth=1)

    return _svg(draw, (4.6, 2.7), title)


def _epoch_lines(axes: Any, runs: Sequence[Sequence[float]], place: int) -> None:
    if not runs:
        return
    length = min(len(run) for run in runs)
    steps = range(1, length + 1)
    style = {"color": color(place), "linestyle": DASHES[place % SERIES]}
    if len(runs) > 1:
        for run in runs:
            axes.plot(steps, run[:length], color=color(place), linewidth=0.6, alpha=0.45)
    mean = [sum(values) / len(values) for values in zip(*(run[:length] for run in runs), strict=True)]
    axes.plot(steps, mean, linewidth=1.8, marker=MARKERS[place % SERIES] if length < 3 else None, **style)


def overview(lines: Sequence[Line], names: Sequence[str], chance: float) -> str:
    """One row per defense and victim, one mark per training set with its interval; chance dashed."""
    several = len({line.victim for line in lines}) > 1

    def draw(axes: Any) -> None:
        for row, line in enumerate(lines):
            _marks(axes, row, [line.last[name] for name in names])
        labels = [f"{line.defense}, {line.victim}" if several else line.defense for line in lines]
        axes.set_yticks(range(len(lines)), [_short(label) for label in labels])
        axes.set_ylim(len(lines) - 0.4, -0.6)
        axes.set_xlim(0, 1)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        _accuracy_axis(axes.xaxis)
        axes.axvline(chance, color=SOFT, linestyle=(0, (4, 3)), linewidth=1)

    return _svg(draw, (8.4, 0.75 + 0.36 * len(lines)), "Accuracy by defense and training set")


def _marks(axes: Any, row: int, figures: Sequence[Measure | None]) -> None:
    means = [figure.mean for figure in figures if figure]
    if means:
        axes.plot([min(means), max(means)], [row, row], color=RULE, linewidth=2, zorder=1)
    for place, figure in enumerate(figures):
        if figure and figure.low is not None and figure.high is not None:
            axes.plot([max(figure.low, 0), min(figure.high, 1)], [row, row], color=color(place), linewidth=1.2)
        if figure:
            axes.plot(
                [figure.mean],
                [row],
                MARKERS[place % SERIES],
                color=color(place),
                markersize=6.5,
                clip_on=False,
            )


def partial(points: Points, rest: Points, chance: float, title: str) -> str:
    """Accuracy against the protected share: of all images, and of the unprotected rest alone."""

    def draw(axes: Any) -> None:
        for series, place in ((points, 2), (rest, 0)):
            known = [(share, m) for share, m in sorted(series.items()) if m]
            style = {
                "color": color(place),
                "linestyle": "-" if place else (0, (5, 2)),
                "marker": MARKERS[place],
            }
            axes.plot([s for s, _ in known], [m.mean for _, m in known], linewidth=1.8, markersize=5, **style)
            for share, m in known:
                if m.low is not None and m.high is not None:
                    axes.plot([share] * 2, [max(m.low, 0), min(m.high, 1)], color=color(place), linewidth=1)
        axes.set_xlabel("share of the training images that is protected")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(0, 1)
        for axis in (axes.xaxis, axes.yaxis):
            _accuracy_axis(axis)
        axes.axhline(chance, color=SOFT, linestyle=(0, (4, 3)), linewidth=1)

    return _svg(draw, (4.6, 2.7), title)


def key(place: int, legend: str) -> str:
    """The legend's sample of a training set's line and mark."""

    def draw(axes: Any) -> None:
        axes.set_axis_off()
        axes.plot([0, 1, 2], [0, 0, 0], color=color(place), linestyle=DASHES[place % SERIES], linewidth=1.8)
        axes.plot([1], [0], MARKERS[place % SERIES], color=color(place), markersize=6)

    return _svg(draw, (0.55, 0.18), f"{legend}, key {place + 1}")


def _short(label: str, limit: int = 34) -> str:
    return label if len(label) <= limit else label[: limit - 1] + "…"


def _accuracy_axis(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, MultipleLocator

    axis.set_major_locator(MultipleLocator(0.2))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
    axis.grid(True, color=RULE, linewidth=0.6)


def _svg(draw: Callable[[Any], None], size: tuple[float, float], title: str) -> str:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with _settings():
        figure = Figure(figsize=size, layout="constrained")
        canvas = FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
        axes.tick_params(colors=SOFT, length=0)
        axes.xaxis.label.set_color(SOFT)
        axes.set_axisbelow(True)
        draw(axes)
        stream = io.StringIO()
        canvas.print_svg(stream, metadata={"Date": None})
    return _inline(stream.getvalue(), title)


@contextmanager
def _settings() -> Iterator[None]:
    """The same plot whatever the user's matplotlibrc says; names in it are text, never formulas."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        own = {"svg.hashsalt": "unlearn", "svg.fonttype": "none", "font.size": 9.0, "text.parse_math": False}
        matplotlib.rcParams.update({**own, "figure.facecolor": "none", "axes.facecolor": "none"})
        yield


def _inline(svg: str, title: str) -> str:
    """The <svg> element alone: no prolog, no metadata, no ids that would clash with another plot's."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.DOTALL)
    box = re.search(r'viewBox="[^"]+"', body)
    rest = body[body.index(">") + 1 :]
    rest = re.sub(r' id="(?:figure|axes|patch|line2d|text|matplotlib\.axis|[xy]tick)_\d+"', "", rest)
    prefix = re.sub(r"\W+", "-", title.lower()).strip("-")
    rest = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", rest)
    for token, variable in {**_NAMES, **_TOKENS}.items():
        rest = rest.replace(token, f"var({variable})")
    return f'<svg {box.group() if box else ""} role="img" aria-label="{escaped(title)}">{rest.strip()}'
