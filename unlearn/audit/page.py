"""report.html: one file that opens from disk, without network, in dark mode and on paper."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from unlearn.audit import plots, published, report_crafting, report_grid, report_tables, summary
from unlearn.audit import report_measures as measures
from unlearn.audit.report_detection import detection
from unlearn.audit.report_markdown import UNLISTED
from unlearn.audit.report_measures import Measure
from unlearn.audit.report_pictures import GAIN, Example, gallery
from unlearn.audit.report_style import CSS, SCRIPT
from unlearn.audit.report_tables import Cell, Table
from unlearn.audit.report_text import HOLE, escaped, guess, percent, plain, plural, set_title, spread
from unlearn.audit.summary import verdict

PAIRS, GRID = 'class="scroll pairs"', 'class="scroll grid"'


def render(results: Mapping[str, Any], examples: Sequence[Example] = ()) -> str:
    """The whole page; equal results and examples give equal text."""
    title = f"Audit of {results.get('name', 'a protected data set')}"
    return document(title, "\n".join([_header(title, results), _verdict(results), *_sections(results, examples)]))


def document(title: str, body: str) -> str:
    """A whole page in the reports' style around its escaped body."""
    # Even if markup slipped through the escaping, the policy lets nothing be fetched and no other script run.
    allowed = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(title)}</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _header(title: str, results: Mapping[str, Any]) -> str:
    facts = {
        "method": results.get("method"),
        "data": results.get("dataset"),
        "budget": f"{255 * results['epsilon']:.3g}/255" if results.get("epsilon") is not None else None,
        "unlearn": (results.get("versions") or {}).get("unlearn"),
    }
    line = " · ".join(f"{key} {plain(value)}" for key, value in facts.items() if value is not None)
    return f"<header><p>Does the protection hold?</p><h1>{escaped(title)}</h1><p>{escaped(line)}</p></header>"


def _verdict(results: Mapping[str, Any]) -> str:
    sentences = "".join(f"<p>{escaped(sentence)}</p>" for sentence in verdict(results))
    return f'<section class="verdict">{sentences}{_numbers(results)}</section>'


def _numbers(results: Mapping[str, Any]) -> str:
    """The four figures to remember, each with what qualifies it."""
    lines = summary.table(results)
    first, worst = measures.primary(lines), next((line for line in lines if line.worst), None)
    boxes = [
        _number(f"trained on {set_title(name)}", first.last[name] if first else None, place, "no defense")
        for place, name in enumerate(measures.CONTROLS)
    ]
    where = f"{worst.defense}, {worst.victim}" if worst else "no defense"
    boxes.append(_number("protected, worst case", worst.last["protected"] if worst else None, 2, where))
    note = f"Accuracy on clean test images; guessing gives {guess(results['chance'])}."
    return f'<dl class="numbers">{"".join(boxes)}</dl><p class="note">{escaped(note)}</p>'


def _number(label: str, figure: Measure | None, place: int, where: str) -> str:
    value, detail = (percent(figure.mean), spread(figure)) if figure else (HOLE, "")
    about = "".join(f"<dd>{escaped(part)}</dd>" for part in (value, detail, where))
    return f'<div style="border-color: var(--c{place})"><dt>{escaped(label)}</dt>{about}</div>'


def _sections(results: Mapping[str, Any], examples: Sequence[Example]) -> list[str]:
    missing = "".join(f"<li>{escaped(item)}</li>" for item in results.get("not_run") or [UNLISTED])
    grid = [table(make(results), GRID) for make in (report_grid.accuracy, report_grid.gaps, report_grid.peaks)]
    parts = [
        ("Worst case by method", [_first_of_many(results), table(report_grid.worst(results))]),
        ("Methods against defenses", grid),
        ("Accuracy with controls", [_overview(results), table(report_grid.with_controls(results))]),
        ("Beside published figures", [table(published.table(results))]),
        ("Accuracy by epoch", [_epochs(results)]),
        ("Partial protection", [_portions(results), table(report_tables.portions(results))]),
        ("Protecting some classes", [table(report_tables.classes(results))]),
        ("Class by class", [table(report_tables.by_class(results))]),
        ("Image quality", [table(report_tables.quality(results))]),
        ("Detection", [table(detection(results))]),
        ("Before and after", [_examples(examples)]),
        ("Crafting", [table(report_crafting.table(results))]),
        ("Settings", [table(report_tables.settings(results), PAIRS)]),
        ("Provenance", [table(report_tables.provenance(results), PAIRS)]),
        ("Not tested", [f"<ul>{missing}</ul>"]),
    ]
    return [f"<section><h2>{title}</h2>{''.join(body)}</section>" for title, body in parts if any(body)]


def _first_of_many(results: Mapping[str, Any]) -> str:
    if not report_grid.several(results):
        return ""
    count, first = len(measures.protected_sets(results["rows"])), measures.title(results, "protected")
    note = f"The sentences and figures above are of {first}, the first of {count} methods; here are all of them."
    return f'<p class="note">{escaped(note)}</p>'


def _overview(results: Mapping[str, Any]) -> str:
    if report_grid.crowded(results):
        return ""
    names = measures.set_names(results["rows"])
    svg = plots.overview(summary.table(results), names, results["chance"])
    caption = "Marks are means over seeds, thin bars 95 % intervals; the dashed line is guessing."
    return f"{_legend(names, 'defenses')}<figure>{svg}<figcaption>{escaped(caption)}</figcaption></figure>"


def _legend(names: Sequence[str], of: str) -> str:
    keys = "".join(f"<li>{plots.key(i, of)}{escaped(set_title(name))}</li>" for i, name in enumerate(names))
    return f'<ul class="legend">{keys}</ul>'


def _epochs(results: Mapping[str, Any]) -> str:
    if report_grid.crowded(results):
        return ""
    names, chance = measures.set_names(results["rows"]), results["chance"]
    drawn = []
    for number, ((defense, victim), group) in enumerate(plots.curves(results).items()):
        seeds = max(len(runs) for runs in group.values())
        svg = plots.epochs(group, names, chance, f"Accuracy by epoch, plot {number + 1}")
        caption = f"{defense}, {victim}, {plural(seeds, 'seed')}"
        drawn.append(f"<figure>{svg}<figcaption>{escaped(caption)}</figcaption></figure>")
    if not drawn:
        return ""
    note = "Accuracy on clean test images after each epoch, by defense; thick lines are means over seeds."
    legend = _legend(names, "epochs")
    return f'<p class="note">{escaped(note)}</p>{legend}<div class="plots">{"".join(drawn)}</div>'


def _portions(results: Mapping[str, Any]) -> str:
    drawn = []
    for number, ((defense, victim), (points, rest)) in enumerate(report_tables.sweep_groups(results).items()):
        svg = plots.partial(points, rest, results["chance"], f"Partial protection, plot {number + 1}")
        caption = f"{defense}, {victim}: all images (solid) and the unprotected rest alone (dashed)"
        drawn.append(f"<figure>{svg}<figcaption>{escaped(caption)}</figcaption></figure>")
    return f'<div class="plots">{"".join(drawn)}</div>' if drawn else ""


def _examples(examples: Sequence[Example]) -> str:
    if not examples:
        return ""
    note = (
        f"Clean, protected, and the difference times {GAIN} around gray. Move the slider: left of it "
        "is the clean image, right of it the protected one."
    )
    return f'<p class="note">{escaped(note)}</p>{gallery(examples)}'


def table(made: Table | None, frame: str = 'class="scroll"') -> str:
    """A table as HTML, the row of the worst case marked."""
    if made is None:
        return ""
    head = "".join(f'<th scope="col"{_word(i, made)}>{_breakable(h)}</th>' for i, h in enumerate(made.head))
    rows = "".join(_row(row, made, number) for number, row in enumerate(made.rows))
    notes = "".join(f'<p class="note">{escaped(note)}</p>' for note in made.notes)
    return (
        f"<div {frame}><table><caption><span>{escaped(made.caption)}</span></caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{notes}"
    )


def _breakable(name: str) -> str:
    """Long names of defenses may break at their underscores."""
    return escaped(name).replace("_", "_<wbr>")


def _in_parts(detail: str) -> str:
    """Narrow columns break it after commas only."""
    return ", ".join(f"<span>{escaped(part)}</span>" for part in detail.split(", "))


def _row(row: Sequence[Cell], made: Table, number: int) -> str:
    cells = []
    for place, cell in enumerate(row):
        detail = f"<small>{_in_parts(cell.detail)}</small>" if cell.detail else ""
        tag, scope = ("th", ' scope="row"') if place == 0 else ("td", "")
        look = ' class="hole"' if cell.main == HOLE else _word(place, made)
        look = _heat(made, (number, place)) or look
        cells.append(f"<{tag}{scope}{look}>{escaped(cell.main)}{detail}</{tag}>")
    opening = '<tr class="worst">' if number == made.marked else "<tr>"
    return f"{opening}{''.join(cells)}</tr>"


def _word(place: int, made: Table) -> str:
    return ' class="word"' if place < made.words else ""


def _heat(made: Table, place: tuple[int, int]) -> str:
    """The color of a cell of a heat map, and the frame of its row's worst."""
    shade = made.shades.get(place)
    if shade is None:
        return ""
    return f' class="heat{" framed" if place in made.framed else ""}" style="--heat: {100 * shade:.0f}%"'
