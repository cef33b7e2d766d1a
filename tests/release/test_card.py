"""The card says what was measured, where it is weak, and nothing that was not run."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from unlearn.release.table import audit, cell, half_width

from .conftest import RECIPE, Make


def row(train_on: str, last: float, defense: str = "none", seed: int = 0, victim: str = "resnet18") -> dict[str, Any]:
    return {
        "train_on": train_on,
        "defense": defense,
        "victim": victim,
        "seed": seed,
        "clean_test_accuracy": last,
        "peak_clean_test_accuracy": last + 0.05,
        "train_accuracy": 0.99,
        "seconds": 1.0,
    }


RESULTS = {
    "version": 1,
    "method": "em",
    "dataset": "small",
    "epsilon": 8 / 255,
    "chance": 0.1,
    "rows": [
        row("clean", 0.9),
        row("random", 0.88),
        row("protected", 0.2),
        row("protected", 0.22, seed=1),
        row("clean", 0.8, "jpeg"),
        row("protected", 0.7, "jpeg"),
        row("protected:shuffled", 0.3, "jpeg"),
    ],
    "summary": {"clean": 0.9, "random": 0.88, "protected": 0.21, "worst_case": 0.7, "worst_defense": "jpeg"},
}


def front(card: str) -> dict[str, Any]:
    return dict(yaml.safe_load(card.split("---\n")[1]))


def test_the_front_matter_is_for_the_hub(make: Make) -> None:
    head = front((make() / "README.md").read_text())
    assert head["license"] == "mit"
    assert head["task_categories"] == ["image-classification"]
    assert head["size_categories"] == "n<1K"
    assert head["pretty_name"] == "small"
    assert "unlearnable" in head["tags"]
    files = [(f["split"], f["path"]) for f in head["configs"][0]["data_files"]]
    assert files == [("train", "data/train-*"), ("test", "data/test-*")]


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (None, {"license": "unknown"}),
        ("cc-by-4.0", {"license": "cc-by-4.0"}),
        ("Ask: the museum", {"license": "other", "license_name": "Ask: the museum"}),
    ],
)
def test_licenses(make: Make, stated: str | None, expected: dict[str, str]) -> None:
    head = front((make(license=stated) / "README.md").read_text())
    assert {key: head[key] for key in head if key.startswith("license")} == expected


def test_without_an_audit_the_first_lines_say_so(make: Make) -> None:
    body = (make() / "README.md").read_text().split("---\n", 2)[2]
    assert body.split("\n\n")[1].startswith("**Not audited.**")
    assert "## Audit" not in body


def test_with_an_audit_the_worst_defense_has_a_name(make: Make) -> None:
    card = (make(results=RESULTS) / "README.md").read_text()
    assert "Not audited" not in card
    assert "Worst case: clean test accuracy 0.700, under the defense **jpeg**" in card
    assert "by chance 0.100" in card
    assert audit(RESULTS["rows"]) in card  # type: ignore[arg-type]


def test_the_table_has_a_line_a_defense_and_says_what_was_not_run() -> None:
    lines = audit(RESULTS["rows"]).splitlines()  # type: ignore[arg-type]
    assert lines[0] == "| defense | victim | clean | random | protected | protected:shuffled |"
    none, jpeg = (line.split(" | ") for line in lines[2:])
    assert none[2:4] == ["0.900 (peak 0.950), 1 seed", "0.880 (peak 0.930), 1 seed"]
    assert none[4] == "0.210 ± 0.127 (peak 0.260), 2 seeds"
    assert none[5] == "not run |"
    assert jpeg[3] == "not run"


def test_cells_survive_holes() -> None:
    assert cell([]) == "not run"
    assert cell([{"clean_test_accuracy": None}, {"clean_test_accuracy": float("nan")}]) == "not run"
    assert cell([{"clean_test_accuracy": 0.5}]) == "0.500 (peak not run), 1 seed"
    assert half_width([1.0, 2.0, 3.0]) == pytest.approx(4.303 / 3**0.5, rel=1e-3)


def test_an_empty_audit_says_not_run(make: Make) -> None:
    card = (make(results={"version": 1, "rows": [], "summary": {"clean": None}}) / "README.md").read_text()
    assert "clean test accuracy not run" in card


def test_the_card_states_measurements_recipe_and_weaknesses(make: Make) -> None:
    card = (make() / "README.md").read_text()
    assert "epsilon = 8/255" in card
    assert "largest change 8 of 255 levels" in card
    assert f"```yaml\n{RECIPE.rstrip()}\n```" in card
    for word in (
        "Pretrained backbones",
        "Purification",
        "leaked pairs",
        "already know",
        "Earlier copies",
        "Partial",
    ):
        assert word in card
    assert "sha256sum -c SHA256SUMS" in card
    assert "unmodified, lossless copies" in card


def test_hostile_text_stays_text(make: Make) -> None:
    title = "a|b <script>alert(1)</script>\n# x `y` [z](http://z)"
    folder: Path = make(title=title, recipe="note: |\n  ```\n  # not a heading\n")
    card = (folder / "README.md").read_text()
    assert front(card)["pretty_name"] == title
    body = card.split("\n---\n", 1)[1]
    assert "<script>" not in body
    assert "\n# x" not in body
    assert "````yaml\nnote" in body
