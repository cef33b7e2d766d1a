"""The tables of a report as plain text, for the page and for Markdown alike; a hole says `not run`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from unlearn.audit import report_measures as measures
from unlearn.audit.report_measures import Measure
from unlearn.audit.report_text import HOLE, guess, percent, plain, plural, set_title, spread
from unlearn.audit.summary import table

FACTS = ("name", "method", "dataset", "epsilon", "chance", "data_fingerprint")


class Cell(NamedTuple):
    """One cell: the figure, and what qualifies it."""

    main: str
    detail: str = ""


@dataclass(frozen=True)
class Table:
    """A table: the first `words` columns hold words, the others figures; row `marked` is the worst case.

    shades: a heat map's color by (row, column), 0 to 1. framed: cells that stand out.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    words: int = 1
    marked: int | None = None
    notes: Sequence[str] = field(default_factory=tuple)
    shades: Mapping[tuple[int, int], float] = field(default_factory=dict)
    framed: frozenset[tuple[int, int]] = frozenset()


def figure(value: Measure | None) -> Cell:
    """Mean with its interval and seeds, or the hole."""
    return Cell(percent(value.mean), spread(value)) if value else Cell(HOLE)


def accuracy(results: Mapping[str, Any]) -> Table:
    """Every defense and victim with the controls, the best epoch, and the protection that is left."""
    found, names = table(results), measures.set_names(results["rows"])
    rows = [
        [
            Cell(line.defense, "worst case" if line.worst else ""),
            Cell(line.victim),
            *(figure(line.last[name]) for name in names),
            figure(line.peak["protected"]),
            Cell(HOLE if (share := line.protection()) is None else f"{share:.2f}"),
        ]
        for line in found
    ]
    head = ["Defense", "Victim", *map(set_title, names), "protected, best epoch", "protection"]
    marked = next((i for i, line in enumerate(found) if line.worst), None)
    return Table(_accuracy_caption(results["chance"]), head, rows, 2, marked, accuracy_notes(results))


def _accuracy_caption(chance: float) -> str:
    return (
        "Accuracy on clean test images by what the network was trained on: mean at the last epoch, 95 % "
        f"interval (Student's t), number of seeds. Guessing gives {guess(chance)}. Protection is "
        "(clean − protected) / (clean − chance): 1 leaves the network at guessing, 0 is no effect."
    )


def accuracy_notes(results: Mapping[str, Any]) -> list[str]:
    """Runs without a figure by name, and what a single seed means."""
    notes = []
    failed = [row for row in results["rows"] if measures.number(row.get(measures.LAST)) is None]
    if failed:
        places = (f"{r['train_on']}, {r['defense']}, {r['victim']}, seed {r['seed']}" for r in failed)
        notes.append(f"{plural(len(failed), 'run')} without an accuracy, shown as not run: {'; '.join(places)}.")
    if any(m and m.seeds == 1 for line in table(results) for m in line.last.values()):
        notes.append("With a single seed there is no interval; differences of a few points may be chance.")
    return notes


def portions(results: Mapping[str, Any]) -> Table | None:
    """Partial protection: a share of the images protected, and the clean rest on its own."""
    groups = sweep_groups(results)
    if not groups:
        return None
    rows = [
        [
            Cell(f"{100 * share:g} %"),
            Cell(defense),
            Cell(victim),
            figure(points.get(share)),
            _rest(rest, share),
        ]
        for (defense, victim), (points, rest) in groups.items()
        for share in sorted({*points, *rest})
    ]
    caption = (
        "Accuracy on clean test images when only a share of the training images is protected; the last "
        f"column is what the unprotected rest teaches on its own. Guessing gives {guess(results['chance'])}."
    )
    head = ["Protected share", "Defense", "Victim", "all images", "unprotected rest alone"]
    return Table(caption, head, rows, 3)


Points = dict[float, Measure | None]


def sweep_groups(results: Mapping[str, Any]) -> dict[tuple[str, str], tuple[Points, Points]]:
    """By (defense, victim): accuracy by protected share, of all images and of the clean rest."""
    swept = [r for r in results.get("sweep") or () if r["kind"] == "portion"]
    groups = {}
    for place in dict.fromkeys((r["defense"], r["victim"]) for r in swept):
        rows = [r for r in swept if (r["defense"], r["victim"]) == place]
        clean, whole = (measures.measure(results["rows"], name, *place) for name in ("clean", "protected"))
        ends: Points = {0.0: clean, 1.0: whole}
        groups[place] = (
            ends | _by_share(rows, "protected", *place),
            {0.0: clean} | _by_share(rows, "clean-part", *place),
        )
    return groups


def _rest(rest: Points, share: float) -> Cell:
    return Cell("no images left") if share >= 1 else figure(rest.get(share))


def _by_share(rows: Sequence[Mapping[str, Any]], train_on: str, defense: str, victim: str) -> Points:
    shares = sorted({float(row["value"]) for row in rows if row["train_on"] == train_on})
    return {
        share: measures.measure((r for r in rows if float(r["value"]) == share), train_on, defense, victim)
        for share in shares
    }


def classes(results: Mapping[str, Any]) -> Table | None:
    """Only some classes protected: accuracy on those and on the others apart."""
    swept = [r for r in results.get("sweep") or () if r["kind"] == "classes"]
    if not swept:
        return None
    groups: dict[tuple[tuple[str, ...], str, str], list[Mapping[str, Any]]] = {}
    for row in swept:
        groups.setdefault((tuple(map(str, row["value"])), row["defense"], row["victim"]), []).append(row)
    fields = ("protected_classes_accuracy", "other_classes_accuracy", measures.LAST)
    rows = [
        [
            Cell(", ".join(names)),
            Cell(defense),
            Cell(victim),
            *(figure(measures.pooled(group, f)) for f in fields),
        ]
        for (names, defense, victim), group in groups.items()
    ]
    caption = (
        "Accuracy on clean test images when only some classes are protected. The others should not suffer. "
        f"Guessing gives {guess(results['chance'])}."
    )
    head = ["Protected classes", "Defense", "Victim", "protected classes", "other classes", "all classes"]
    return Table(caption, head, rows, 3)


def by_class(results: Mapping[str, Any]) -> Table | None:
    """Accuracy on every class by training set, without a defense: the mean over seeds of the first victim."""
    rows = [row for row in results["rows"] if row.get("class_accuracy") and row["defense"] == "none"]
    rows = [row for row in rows if row["victim"] == rows[0]["victim"]]
    if not rows:
        return None
    names, sets = list(rows[0]["class_accuracy"]), measures.set_names(rows)

    def cell(name: str, chosen: str) -> Cell:
        found = [row["class_accuracy"].get(name) for row in rows if row["train_on"] == chosen]
        figures = [value for value in found if value is not None]
        return Cell(percent(sum(figures) / len(figures)) if figures else HOLE)

    lines = [[Cell(name), *(cell(name, chosen) for chosen in sets)] for name in names]
    caption = f"Accuracy on each class's clean test images. Guessing gives {guess(results['chance'])}."
    return Table(caption, ["Class", *map(set_title, sets)], lines)


def quality(results: Mapping[str, Any]) -> Table | None:
    """What the protection costs in image quality."""
    found = results.get("quality") or {}
    if not found:
        return None
    formats = {
        "max_levels": "{:.0f}",
        "psnr": "{:.1f}",
        "ssim": "{:.3f}",
        "worst_ssim": "{:.3f}",
        "images": "{:,.0f}",
    }
    rows = [
        [Cell(set_title(name)), *(_formatted(each.get(key), shape) for key, shape in formats.items())]
        for name, each in found.items()
    ]
    caption = (
        "Image quality, protected against clean. Largest change in levels of 255 "
        f"(the budget is {255 * results['epsilon']:.3g}); PSNR and SSIM on a sample, more is better."
    )
    head = ["Training set", "largest change", "PSNR, dB", "SSIM", "worst SSIM", "images measured"]
    return Table(caption, head, rows)


def provenance(results: Mapping[str, Any]) -> Table:
    """Data, budget, versions and machine."""
    facts = {key: results[key] for key in FACTS if results.get(key) is not None}
    facts |= {f"version of {key}": value for key, value in (results.get("versions") or {}).items()}
    facts |= results.get("machine") or {}
    return _pairs("Data, versions and machine.", facts.items())


def settings(results: Mapping[str, Any]) -> Table | None:
    """The resolved recipe and audit plan, one setting a row."""
    found = list(_flat(results.get("settings") or {}))
    return _pairs("Settings of the crafting and of the audit.", found) if found else None


def _pairs(caption: str, pairs: Iterable[tuple[str, Any]]) -> Table:
    return Table(caption, ["Name", "Value"], [[Cell(key), setting(value)] for key, value in pairs], 2)


def _flat(value: Any, path: str = "") -> Iterable[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(inner, Mapping) for inner in value):
        for place, inner in enumerate(value):
            yield from _flat(inner, f"{path}.{place}")
    else:
        yield path, value


def _formatted(value: Any, shape: str) -> Cell:
    return Cell(HOLE if measures.number(value) is None else shape.format(value))


def setting(value: Any) -> Cell:
    """A setting's value, or that it was not recorded."""
    return Cell("not recorded" if value is None else plain(value))
