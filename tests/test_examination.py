"""Audits of several runs at once: every budget has its own control, every set says what it is."""

from pathlib import Path

import pytest

from unlearn import examination, recipe, run
from unlearn.audit.plan import AuditPlan
from unlearn.errors import DataError
from unlearn.run import Run
from unlearn.settings import Training

PLAN = AuditPlan(victims=("linear",), seeds=1, training=Training(epochs=1, batch_size=30, augment=()))
DATA = ["data.train_images=60", "data.test_images=30", "data.size=16"]


def crafted(name: str, out: Path, *settings: str) -> Run:
    chosen = recipe.load("demo", [*DATA, *settings])
    return run.load(run.craft(chosen, out / name))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Noise at 8/255, the same with another seed, and one pixel an image; all named after their recipe."""
    out = tmp_path_factory.mktemp("runs")
    noise = ["method={name: random}", "rows=sample-wise"]
    return [
        crafted("noise", out, *noise),
        crafted("again", out, *noise, "seed=1"),
        crafted("pixel", out, "method={name: ops}", "epsilon=1"),
    ]


def renamed(found: Run, name: str) -> Run:
    return Run(name, found.recipe, found.saved, found.crafting)


def test_runs_with_different_budgets_share_an_audit_and_each_budget_has_a_control(
    runs: list[Run], tmp_path: Path
) -> None:
    first, again, pixel = (renamed(*pair) for pair in zip(runs, ("noise", "again", "pixel"), strict=True))
    results = examination.audit([first, again, pixel], tmp_path / "audit", PLAN)
    trained = [row["train_on"] for row in results["rows"]]
    assert trained == ["clean", "random", "random:pixel", "protected", "protected:again", "protected:pixel"]
    assert results["sets"]["protected:pixel"]["method"] == "ops"
    assert results["sets"]["protected:pixel"]["promise"]["pixels"] == 1
    assert results["sets"]["protected"]["promise"]["levels"] == 8
    assert set(results["summary"]["sets"]) == {"protected:again", "protected:pixel"}


def test_runs_of_one_recipe_are_told_apart_by_their_folders(runs: list[Run], tmp_path: Path) -> None:
    results = examination.audit(runs, tmp_path / "audit", PLAN)
    sets = ["protected", "protected:demo (again)", "protected:demo (pixel)"]
    assert [row["train_on"] for row in results["rows"]] == ["clean", "random", "random:demo (pixel)", *sets]
    assert [results["sets"][name]["name"] for name in sets] == ["demo (noise)", "demo (again)", "demo (pixel)"]


def test_the_same_run_twice_is_refused(runs: list[Run], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"two runs are called demo \(noise\)"):
        examination.audit([runs[0], runs[0]], tmp_path / "audit", PLAN)
    assert not (tmp_path / "audit").exists()


def test_a_finished_run_says_what_its_crafting_cost(runs: list[Run]) -> None:
    for each in runs:
        assert each.crafting["seconds"] >= 0
        assert each.crafting["cpu_seconds"] >= 0
