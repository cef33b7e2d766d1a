"""Cells of the research table, and the table itself on drawn people."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from conftest import ROOT
from face_fakes import Center, portrait, recogniser, saved
from PIL import Image

from unlearn import recipe
from unlearn.errors import DataError
from unlearn.faces import detectors, embedders
from unlearn.matching import trial
from unlearn.matching.trial import Cell

PLAN = "channels: [none, jpeg-75]\nleaks: [0.5]\nadapter: {steps: 3, folds: 2}\nseeds: 1\n"


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"toy": recogniser(), "other": recogniser("other", seed=1)}
    monkeypatch.setattr(embedders, "load", known.__getitem__)
    monkeypatch.setattr(detectors, "load", lambda name: Center())


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe with one noise for all photos of a person."""
    real = recipe.load

    def load(name: str, overrides: tuple[str, ...] = ()) -> recipe.Recipe:
        return real("random", ["rows=class-wise"]) if name == "keyed" else real(name, overrides)

    monkeypatch.setattr(recipe, "load", load)


def photos(folder: Path, person: int, count: int = 4) -> tuple[Path, ...]:
    names = [f"{i}.png" for i in range(count)]
    return tuple(saved(folder / f"person {person}", names, [portrait(person, i) for i in range(count)]))


def test_a_cell_is_protected_within_its_budget_and_kept(tmp_path: Path) -> None:
    mine = photos(tmp_path, 0)
    cell = Cell("random", ("toy",), 0, "person 0", mine, mine)
    folder = trial.folder_of(cell, tmp_path / "cache")
    facts = trial.make(cell, folder)
    limit = round(facts["epsilon"] * 255)
    for path, changed in zip(mine, trial.photos_of(cell, folder), strict=True):
        difference = np.asarray(Image.open(changed)).astype(int) - np.asarray(Image.open(path))
        assert limit / 2 < np.abs(difference).max() <= limit  # averaged on a face smaller than the canvas
        assert not difference[0].any()  # the feather's end
    assert all(0.5 < photo["ssim"] < 1 and photo["face_psnr"] > 25 for photo in facts["photos"])
    before = folder.stat().st_mtime_ns
    assert trial.make(cell, folder) == facts
    assert folder.stat().st_mtime_ns == before
    others = [
        Cell("random", ("toy",), 1, "person 0", mine, mine),
        Cell("random", ("other",), 0, "person 0", mine, mine),
    ]
    assert len({trial.folder_of(each, tmp_path / "cache") for each in (cell, *others)}) == 3


def test_one_noise_for_all_photos_fits_others(keyed: None, tmp_path: Path) -> None:
    mine = photos(tmp_path, 0)
    cell = Cell("keyed", (), 0, "person 0", mine[:2], mine[2:])
    folder = trial.folder_of(cell, tmp_path / "cache")
    assert trial.make(cell, folder)["rows"] == "class-wise"
    changes = [
        np.asarray(Image.open(changed)).astype(int) - np.asarray(Image.open(path))
        for path, changed in zip(mine[2:], trial.photos_of(cell, folder), strict=True)
    ]
    inside = [change[30:60, 30:60] for change in changes]
    assert (inside[0] == inside[1]).mean() > 0.9  # but for saturation
    with pytest.raises(DataError, match="fits no others"):
        trial.make(Cell("random", (), 0, "person 0", mine[:2], mine[2:]), tmp_path / "other")


def test_a_person_without_a_face_is_named(tmp_path: Path) -> None:
    dark = tuple(saved(tmp_path, ["a.png"], [np.zeros((40, 40, 3), np.uint8)]))
    with pytest.raises(DataError, match="person 7: no face found in 1 photos"):
        trial.make(Cell("random", (), 0, "person 7", dark, dark), tmp_path / "out")


def script() -> ModuleType:
    found = importlib.util.spec_from_file_location("face_table", ROOT / "scripts" / "faces" / "table.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    import sys

    sys.modules["face_table"] = module
    found.loader.exec_module(module)
    return module


def asked(tmp_path: Path, *more: str) -> list[str]:
    for number in range(5):
        photos(tmp_path / "people", number, 6)
    saved(tmp_path / "strangers", [f"{i}.png" for i in range(6)], [portrait(90 + i, 0) for i in range(6)])
    (tmp_path / "plan.yaml").write_text(PLAN)
    return [
        "--people", str(tmp_path / "people"), "--distractors", str(tmp_path / "strangers"), "--users", "3",
        "--recipe", str(tmp_path / "plan.yaml"), "--out", str(tmp_path / "table.json"), "--seeds", "2", *more,
    ]  # fmt: skip


def test_a_table_of_methods(tmp_path: Path) -> None:
    table = script()
    arguments = asked(tmp_path, "--methods", "random", "--surrogates", "other", "--recognisers", "toy,other")
    table.written(table.parsed([*arguments, "--gallery", "4", "--probes", "2"]))
    results = json.loads((tmp_path / "table.json").read_text())
    assert {(row["recogniser"], row["white_box"]) for row in results["rows"]} == {("toy", False), ("other", True)}
    assert {row["seed"] for row in results["rows"]} == {0, 1}
    line = results["lines"][0]
    assert line["method"] == "random"
    assert {name: each["people"] for name, each in line["sets"].items()} == {"clean": 3, "random": 3, "protected": 3}
    assert line["sets"]["protected"]["seeds"] == 2
    assert line["sets"]["protected"]["rank_1"] == 1.0
    assert results["quality"][0]["ssim"] < 1
    assert results["summaries"]["random"]["worst_case"]["protected"] == 1.0
    assert len(list((tmp_path / "table.json.cache").iterdir())) == 6  # two seeds, three users
    text = (tmp_path / "table.json").read_text() + (tmp_path / "table.md").read_text()
    assert str(tmp_path) not in text
    with pytest.raises(DataError, match="0 people have enough photos"):
        table.written(table.parsed([*arguments, "--gallery", "5", "--probes", "2"]))


def test_turns_and_unseen_halves(keyed: None, tmp_path: Path) -> None:
    table = script()
    arguments = asked(tmp_path, "--methods", "keyed,random", "--recognisers", "toy,other", "--turns", "--other-key")
    results = table.written(table.parsed([*arguments, "--gallery", "4", "--probes", "2", "--apply-to-other-half"]))
    assert {(row["surrogates"], row["recogniser"]) for row in results["rows"]} == {("other", "toy"), ("toy", "other")}
    assert not any(row["white_box"] for row in results["rows"])
    assert {(row["method"], row["half"]) for row in results["rows"]} == {("keyed", "unseen"), ("random", "own")}
    sets = results["lines"][0]["sets"]
    assert {name: each["people"] for name, each in sets.items()} == dict.fromkeys(
        ("clean", "random", "protected", "other-key"), 3
    )
