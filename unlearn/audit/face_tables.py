"""The tables of an audit against matching, as plain text for page and Markdown alike."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from unlearn.audit import report_tables
from unlearn.audit.face_lines import Figure, Line, lines, worst
from unlearn.audit.face_rows import CLEAN, OTHER_KEY, PROTECTED, RANDOM
from unlearn.audit.report_tables import Cell, Table
from unlearn.audit.report_text import HOLE, percent

TITLES = {RANDOM: "random noise", OTHER_KEY: "another person's key"}
ORDER = (CLEAN, RANDOM, OTHER_KEY, PROTECTED)
LISTED = 40


def sections(results: Mapping[str, Any]) -> list[tuple[str, Table]]:
    """Titles and tables; those without a row are left out."""
    every = lines(results["rows"])
    plain = [line for line in every if not line.place["leak"]]
    made = [
        ("Rank-1 with controls", rank_1(plain)),
        ("Further figures of protected photos", figures(plain)),
        ("Clean leaks", rank_1([line for line in every if line.place["leak"]])),
        ("Person by person", people(results["rows"], plain)),
        ("Recognisers", recognisers(plain)),
        ("Faces not found", not_found(results)),
        ("Settings", report_tables.settings(results)),
        ("Provenance", report_tables.provenance(results)),
    ]
    return [(title, table) for title, table in made if table is not None and table.rows]


def set_names(found: Iterable[Line]) -> list[str]:
    """The sets that were run, controls first."""
    names = {name for line in found for name in line.sets}
    return [name for name in ORDER if name in names] + sorted(names - set(ORDER))


def rank_1(found: Sequence[Line]) -> Table:
    """Clean probes whose nearest gallery photo is their person's, by set."""
    names, marked = set_names(found), worst(found)
    rows = [[_title(line), *(_figure(line.sets.get(name)) for name in names), _gap(line)] for line in found]
    caption = (
        "Clean probes whose nearest gallery photo is of their person, by what was done to the person's gallery photos; "
        "95 % interval over people and probes. The gap is clean minus protected. Rows in which the noise was crafted "
        "on the recogniser itself are marked: they say nothing about other recognisers."
    )
    head = ["Row", *(TITLES.get(name, name) for name in names), "gap"]
    place = found.index(marked) if marked in found else None
    return Table(caption, head, rows, 1, place)


def _title(line: Line) -> Cell:
    marks = [*(["white box"] if line.white_box else []), *(line.facts.get("kin") or [])]
    return Cell(line.title, "; ".join(marks))


def _figure(figure: Figure | None) -> Cell:
    if figure is None:
        return Cell(HOLE)
    return Cell(percent(figure.rank_1), f"{100 * figure.low:.0f}–{100 * figure.high:.0f}")


def _gap(line: Line) -> Cell:
    if line.gap is None:
        return Cell(HOLE)
    gap, low, high = (100 * value for value in line.gap)
    return Cell(f"{gap:.1f}", "no difference" if low <= 0 <= high else f"{low:.0f}–{high:.0f}")


def figures(found: Sequence[Line]) -> Table:
    """Rank-5, rank-50 and the true-accept rate, protected beside clean."""
    rows = []
    for line in found:
        changed, clean = line.sets.get(PROTECTED), line.sets.get(CLEAN)
        if changed is None:
            continue
        pairs = [(getattr(changed, name), getattr(clean, name, None)) for name in ("rank_5", "rank_50", "tar")]
        counts = (changed.people, changed.probes, changed.not_found)
        rows.append([_title(line), *(_beside(*pair) for pair in pairs), *(Cell(str(count)) for count in counts)])
    caption = (
        "Any photo of the person among the nearest 5 or 50; true accepts at the similarity that one in a thousand "
        "clean impostor pairs of this gallery reaches. Figures of clean photos in the small print."
    )
    return Table(caption, ["Row", "rank-5", "rank-50", "true accepts", "people", "probes", "faces not found"], rows)


def _beside(changed: float | None, clean: float | None) -> Cell:
    if changed is None:
        return Cell("–")
    return Cell(percent(changed), f"clean {percent(clean)}" if clean is not None else "")


def people(rows: Sequence[Mapping[str, Any]], found: Sequence[Line]) -> Table | None:
    """Rank-1 of every person in the worst row without leaks."""
    line = worst(found)
    if line is None:
        return None
    mine = [r for r in rows if r["probes"] and all(r.get(key) == value for key, value in line.place.items())]
    names, sets = sorted({name for r in mine for name in r["by_person"]}), set_names([line])

    def cell(name: str, chosen: str) -> Cell:
        values = [r["by_person"][name] for r in mine if r["set"] == chosen and name in r["by_person"]]
        return Cell(percent(sum(values) / len(values)) if values else "no face found")

    lines_of = [[Cell(name), *(cell(name, chosen) for chosen in sets)] for name in names]
    caption = f"Rank-1 of every person in the worst row: {line.title}."
    return Table(caption, ["Person", *(TITLES.get(name, name) for name in sets)], lines_of)


def recognisers(found: Sequence[Line]) -> Table:
    """What each recogniser is, and how near it is to the surrogates."""
    first = {line.place["recogniser"]: line.facts for line in found}
    boxes = {True: "yes", False: "no", None: "not known"}
    rows = [
        [
            Cell(name),
            Cell(str(facts["family"])),
            Cell(str(facts["trained_on"])),
            Cell(boxes[facts["white_box"]], "; ".join(facts.get("kin") or [])),
        ]
        for name, facts in first.items()
    ]
    return Table("The recognisers that were asked.", ["Name", "family", "trained on", "crafted on it"], rows, 4)


def not_found(results: Mapping[str, Any]) -> Table:
    """Photos without a face that the detector finds, which no figure counts as protection."""
    missing = results.get("not_found") or []
    rows = [[Cell(each["person"]), *(Cell(each[key]) for key in ("set", "channel", "photo"))] for each in missing]
    notes = [f"And {len(rows) - LISTED} more, see results.json."] if len(rows) > LISTED else []
    caption = "Photos in which no face was found. They are left out of all figures and never count as protection."
    return Table(caption, ["Person", "set", "channel", "photo"], rows[:LISTED], 4, None, notes)
