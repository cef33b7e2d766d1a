"""Many methods in one audit: worst cases, the heat map, published figures, costs, and controls for every budget."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_dataset
from rich.console import Console

from unlearn import examination, recipe, recipe_files, registry
from unlearn.audit import cells, published, report, report_crafting, report_grid, summary, terminal
from unlearn.audit import report_measures as measures
from unlearn.audit.plan import AuditPlan
from unlearn.defenses import Defense
from unlearn.defenses._field import named
from unlearn.errors import RecipeError
from unlearn.recipe_check import load_audit

ACCURACY = {
    "clean": {"none": 0.70, "grayscale": 0.66, "jpeg-10": 0.60},
    "random": {"none": 0.69, "grayscale": 0.65, "jpeg-10": 0.59},
    "random:small/ops": {"none": 0.70},
    "protected": {"none": 0.20, "grayscale": 0.62, "jpeg-10": 0.45},
    "protected:small/ops": {"none": 0.15, "grayscale": 0.18, "jpeg-10": 0.55},
}


def row(train_on: str, defense: str, seed: int, accuracy: float) -> dict[str, Any]:
    return {
        "train_on": train_on, "defense": defense, "victim": "small_cnn", "seed": seed, "train_accuracy": 0.99,
        "clean_test_accuracy": accuracy, "peak_clean_test_accuracy": accuracy + 0.03, "seconds": 9.0,
        "cpu_seconds": 8.0, "curve": {"train": [0.9], "test": [accuracy]},
    }  # fmt: skip


def made() -> dict[str, Any]:
    rows = [row(n, d, s, a + 0.01 * s) for n, of in ACCURACY.items() for d, a in of.items() for s in (0, 1)]
    sets = {
        "protected": {"name": "small/em-class", "method": "em", "rows": "class-wise"},
        "protected:small/ops": {"name": "small/ops", "method": "ops", "rows": "class-wise"},
    }
    return {
        "version": 1, "name": "small/em-class", "method": "em", "dataset": "CIFAR-10", "epsilon": 8 / 255,
        "chance": 0.1, "rows": rows, "sets": sets, "summary": summary.summarize(rows, 0.1),
        "crafting": {"protected": {"rounds": 3, "cpu_seconds": 20.0}, "protected:small/ops": {"cpu_seconds": 0.4}},
    }  # fmt: skip


def words(table: Any) -> dict[str, list[str]]:
    return {line[0].main: [cell.main for cell in line[1:]] for line in table.rows}


def test_the_method_that_holds_best_comes_first_with_what_breaks_it() -> None:
    table = report_grid.worst(made())
    assert table
    assert [line[0].main for line in table.rows] == ["ops", "em-class"]
    assert words(table)["ops"] == ["jpeg-10", "55.5 %", "60.5 %", "5.0", "58.5 %", "15.5 %", "3 of 3"]
    assert words(table)["em-class"] == ["grayscale", "62.5 %", "66.5 %", "4.0", "65.5 %", "20.5 %", "3 of 3"]


def test_an_order_of_the_rows_makes_no_difference() -> None:
    results = made()
    results["rows"].sort(key=lambda r: r["seed"])
    assert report_grid.worst(results) == report_grid.worst(made())


def test_the_heat_map_is_warm_where_something_is_learned_and_frames_the_worst() -> None:
    table = report_grid.accuracy(made())
    assert table
    assert table.head == ["Method", "none", "grayscale", "jpeg-10"]
    assert [line[0].main for line in table.rows] == ["clean", "random", "random (ops)", "em-class", "ops"]
    assert table.framed == {(3, 2), (4, 3)}
    assert table.shades[(3, 1)] == pytest.approx((0.205 - 0.1) / (0.705 - 0.1))
    assert table.shades[(4, 3)] == pytest.approx((0.555 - 0.1) / (0.605 - 0.1))
    assert (0, 1) not in table.shades
    assert words(report_grid.gaps(made()))["em-class"] == ["50.0", "4.0", "15.0"]
    assert words(report_grid.peaks(made()))["ops"] == ["18.5 %", "21.5 %", "58.5 %"]


def test_one_method_has_no_grid_of_methods() -> None:
    results = made()
    results["rows"] = [r for r in results["rows"] if r["train_on"] != "protected:small/ops"]
    assert report_grid.worst(results) is report_grid.accuracy(results) is None


def test_a_hole_stays_a_hole() -> None:
    results = made()
    results["rows"] = [r for r in results["rows"] if (r["train_on"], r["defense"]) != ("protected", "grayscale")]
    assert words(report_grid.accuracy(results))["em-class"][1] == "not run"
    assert words(report_grid.worst(results))["em-class"][0] == "jpeg-10"
    assert words(report_grid.worst(results))["em-class"][-1] == "2 of 3"


def test_page_markdown_and_terminal_name_the_worst_case_of_every_method(tmp_path: Path) -> None:
    report.write(tmp_path, made())
    page, markdown = ((tmp_path / name).read_text() for name in ("report.html", "report.md"))
    assert 'class="heat framed" style="--heat: 93%"' in page
    assert "the first of 2 methods" in page
    assert "| ops | jpeg-10 | 55.5 % (49.1–61.9, 2 seeds) |" in markdown
    shown = io.StringIO()
    terminal.show(made(), Console(file=shown, width=200))
    assert "worst case by method" in shown.getvalue()
    assert "55.5 %" in shown.getvalue()


def test_further_controls_are_no_methods_and_run_without_a_defense_only() -> None:
    assert set(made()["summary"]["sets"]) == {"protected:small/ops"}
    plan = AuditPlan(victims=("small_cnn",), defenses=(named("none"), named("grayscale")), seeds=1)
    found = cells.cells(["clean", "random", "random:ops", "protected"], plan)
    assert [c.defense.label for c in found if c.train_on == "random:ops"] == ["none"]
    assert len(found) == 7
    assert cells.control("random:ops")
    assert not cells.control("protected:random")


def test_published_figures_stand_beside_ours_for_the_same_data_only() -> None:
    table = published.table(made())
    assert table
    rows = {(line[0].main, line[1].main): [cell.main for cell in line[2:]] for line in table.rows}
    assert rows["em-class", "grayscale"][:5] == ["small_cnn", "62.5 %", "92.0 %", "-29.5", "resnet18"]
    assert "93.0 %" in rows["em-class", "grayscale"][5]
    assert ("clean", "jpeg-10") in rows
    assert published.table(made() | {"dataset": "embedded"}) is None
    assert published.table({**made(), "dataset": None}) is None


def test_published_facts_are_of_methods_and_defenses_that_exist_and_have_a_source() -> None:
    methods = {*registry.names("methods"), "clean"}
    specs: list[Any] = [*(n for n in registry.names("defenses") if n not in ("chain", "diffusion"))]
    labels = {named(spec).label for spec in [*specs, {"name": "jpeg", "quality": 10}]}
    for fact in published.facts():
        assert fact.method in methods, fact
        assert fact.defense in labels, fact
        assert 0 < fact.accuracy < 1, fact
        assert fact.source, fact
    keys = [(f.method, f.dataset, f.network, f.defense, f.source) for f in published.facts()]
    assert len(keys) == len(set(keys)) > 200


def test_crafting_is_counted_in_trainings_of_the_audit() -> None:
    assert report_crafting.trainings(made()) == pytest.approx({"protected": 2.5, "protected:small/ops": 0.05})
    table = report_crafting.table(made())
    assert table
    assert [line[-1].main for line in table.rows] == ["2.50", "0.05"]
    assert report_crafting.trainings(made() | {"crafting": {}}) == {}


def test_a_plan_says_its_precision(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("precision: bfloat16\n")
    assert load_audit(str(plan)).precision == "bfloat16"
    plan.write_text("precision: float8\n")
    with pytest.raises(RecipeError, match="precision"):
        load_audit(str(plan))
    assert AuditPlan().precision is None


@pytest.mark.parametrize(("asked", "told"), [(None, "float32"), ("bfloat16", "bfloat16")])
def test_precision_is_of_the_plan_or_else_of_the_recipe(asked: Any, told: str, tmp_path: Path) -> None:
    from unlearn.audit.run import Subject
    from unlearn.settings import Training

    data = make_dataset(24)
    subject = Subject(data, {"protected": data.images}, make_dataset(12, seed=1), 8 / 255)
    plan = AuditPlan(
        victims=("linear",), seeds=1, training=Training(epochs=1, batch_size=12, augment=()), precision=asked
    )
    results = examination.examine(subject, plan, tmp_path / "out", "float32")
    assert results["machine"]["precision"] == told
    assert json.loads((tmp_path / "out" / "results.json").read_text())["machine"]["precision"] == told
    assert np.isfinite([r["clean_test_accuracy"] for r in results["rows"]]).all()
    assert all(r["cpu_seconds"] >= 0 for r in results["rows"])


def test_the_small_grid_has_eight_defenses_and_two_seeds() -> None:
    plan = load_audit("audits/small-grid")
    labels = [defense.label for defense in plan.defenses if isinstance(defense, Defense)]
    assert labels[0] == measures.NO_DEFENSE
    assert len(set(labels)) >= 9
    assert plan.seeds >= 2


AUDITS = [name for name in recipe_files.names() if name.startswith("audits/") and "faces" not in name]


@pytest.mark.parametrize("name", AUDITS)
def test_no_audit_has_victims_with_a_recipes_seed(name: str) -> None:
    """By default not even with one of those that a surrogate takes when it is started again in every round."""
    assert min(load_audit(name).victim_seeds) >= (1 if name == "audits/small-grid" else 1000)


def test_victims_of_the_small_grid_do_not_start_from_the_surrogates_weights() -> None:
    """A network is built from its seed: a victim with the recipe's seed is the surrogate before its first step."""
    plan = load_audit("audits/small-grid")
    seeds = {cell.seed for cell in cells.cells(["clean", "protected"], plan)}
    assert seeds == {1, 2}
    assert recipe.load("small/em").seed not in seeds
