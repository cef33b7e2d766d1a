"""scripts/faces/em.py and seconds.py on marked faces: what is compared, and what is written."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from conftest import ROOT

pytest.importorskip("cv2")
sys.path.insert(0, str(ROOT / "tests" / "photos"))
import face_fakes
from marked_faces import EYES, Marked, save, scene

from unlearn import recipe
from unlearn.errors import DataError
from unlearn.faces import embedders
from unlearn.photos import finding

EM = (
    "data.fit.height=32", "data.fit.width=32", "method.views.size=16", "method.schedule.max_rounds=1",
    "method.schedule.min_rounds=1", "method.schedule.train_steps=2", "method.schedule.batch_size=16",
    "method.schedule.pgd_batch_size=16",
)  # fmt: skip


@pytest.fixture(autouse=True)
def marks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "Found", Marked)
    monkeypatch.setattr(embedders, "load", lambda name: face_fakes.recogniser(str(name), len(str(name))))


def script(name: str) -> ModuleType:
    found = importlib.util.spec_from_file_location(f"face_{name}", ROOT / "scripts" / "faces" / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[f"face_{name}"] = module
    found.loader.exec_module(module)
    return module


def people(root: Path, count: int, photos: int) -> Path:
    for person in range(count):
        for number in range(photos):
            save(root / f"person {person:02}" / f"{number}.png", scene([EYES], seed=20 * person + number))
    return root


def quick(place: Path, name: str, overrides: tuple[str, ...]) -> str:
    place.write_text(recipe.to_yaml(recipe.resolved(recipe.load(name, overrides))))
    return str(place)


def test_em_compares_protected_people_with_controls_and_with_everybody_else(tmp_path: Path) -> None:
    em, root = script("em"), people(tmp_path / "people", 10, 4)
    short = ["--train", "3", "--protected", "8", "--side", "32", "--epochs", "1", "--out", "x.json"]
    asked = ["--people", str(root), "--recipe", quick(tmp_path / "em.yaml", "faces/em-mid", EM), *short]
    results = em.run(em.parsed([*asked, "--channels", "none,jpeg-75"]))
    assert (results["design"]["train"], results["design"]["test"], results["design"]["people"]) == (30, 10, 10)
    assert [(row["channel"], row["set"]) for row in results["rows"]] == [
        (channel, name) for channel in ("none", "jpeg-75") for name in (em.CLEAN, em.RANDOM, em.PROTECTED)
    ]
    assert all(len(row["by_user"]) == 8 and 0 <= row["others"] <= 1 for row in results["rows"])
    assert str(tmp_path) not in json.dumps({**results, "design": {**results["design"], "recipe": ""}})
    with pytest.raises(DataError, match="people with more than 9 photos"):
        em.run(em.parsed([*asked, "--train", "9"]))


def test_em_changes_nothing_but_the_users_photos(tmp_path: Path) -> None:
    em, root = script("em"), people(tmp_path / "people", 3, 2)
    photos = [each for i, folder in enumerate(sorted(root.iterdir())) for each in em.shown(sorted(folder.iterdir()), i)]
    noise = {0: np.full((32, 32, 3), 5, np.float32)}
    sets = em.versions_of(photos, noise, 8 / 255, 0)
    for name, most in ((em.CLEAN, 0), (em.RANDOM, 8), (em.PROTECTED, 5)):
        moved = [np.abs(a.pixels.astype(int) - b.pixels).max() for a, b in zip(photos, sets[name], strict=True)]
        assert moved == [most, most, 0, 0, 0, 0]


def test_em_cuts_the_same_face_from_photos_of_half_the_size(tmp_path: Path) -> None:
    em, root = script("em"), people(tmp_path / "people", 2, 2)
    photos = [each for i, folder in enumerate(sorted(root.iterdir())) for each in em.shown(sorted(folder.iterdir()), i)]
    whole, half = (em.batches(photos, 32, channel).images.float() for channel in ("none", "half"))
    elsewhere = whole.roll(4, dims=3)
    assert (whole - half).abs().mean() < 0.25 * (whole - elsewhere).abs().mean()


def test_seconds_of_a_cloak_a_key_and_of_laying_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, root = script("seconds"), people(tmp_path / "people", 2, 3)
    monkeypatch.setattr(seconds, "LARGE", (800, 600))
    small = ("data.fit.height=32", "data.fit.width=32", "method.steps=2")
    names = [quick(tmp_path / f"{name}.yaml", f"faces/{name}", small) for name in ("lowkey-mid", "opom-mid")]
    asked = ["--people", str(root), "--learned", "2", "--recipes", ",".join(names), "--out", str(tmp_path / "s.json")]
    results = seconds.run(seconds.parsed(asked))
    assert [(row["kind"], row["photos"]) for row in results["rows"]] == [("cloak", 1), ("key", 2)]
    assert results["key_on_a_photo"]["faces"] == 1
    assert all(results["key_on_a_photo"][name] >= 0 for name in ("finding", "noise", "looking_again"))
    with pytest.raises(DataError, match="nobody with 9 photos"):
        seconds.photos(root, 9)
