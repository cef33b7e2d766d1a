"""Face keys and cloaks from photos: whose face is taken, what becomes of photos without one, and equal bytes."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT

pytest.importorskip("cv2")
sys.path.insert(0, str(ROOT / "tests" / "photos"))
import face_fakes
import marked_faces
from marked_faces import EYES, SECOND, Marked, save, scene

from unlearn import album, cloaking_photos, face_album, recipe
from unlearn.crafting.workers import Workers, alone
from unlearn.errors import DataError, Interrupted, UnlearnError
from unlearn.face_album import Crafted
from unlearn.faces import embedders
from unlearn.photos.persons import Box, Named
from unlearn.photos.survey import Shot
from unlearn.recipe import Recipe
from unlearn.signals import StopRequest

SMALL = ("data.fit.height=32", "data.fit.width=32")
QUICK = (*SMALL, "method.steps=3")
EM = (
    *SMALL, "method.views.size=16", "method.schedule.max_rounds=2", "method.schedule.min_rounds=2",
    "method.schedule.train_steps=3", "method.schedule.batch_size=16", "method.schedule.pgd_batch_size=16",
)  # fmt: skip


@pytest.fixture(autouse=True)
def toy_recognisers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random projections instead of weights that have to be installed."""
    monkeypatch.setattr(embedders, "load", lambda name: face_fakes.recogniser(str(name), len(str(name))))


def shots(folder: Path, name: str, count: int = 3) -> list[Shot]:
    seed = sum(map(ord, name))
    return [Shot(save(folder / f"{name}{i}.png", scene([EYES], seed=seed + i))) for i in range(count)]


def settings(name: str = "faces/mid", overrides: tuple[str, ...] = QUICK) -> Recipe:
    return recipe.load(name, overrides)


def craft(people: dict[str, list[Shot]], work: Path, of: Recipe | None = None, team: Workers | None = None) -> Crafted:
    return face_album.craft_keys(people, of or settings(), "mid", work, Marked(), team=team)


def test_a_key_for_every_person_with_a_face(tmp_path: Path) -> None:
    people = {name: shots(tmp_path, name, count) for name, count in (("zoe", 1), ("al", 4))}
    people["hill"] = [Shot(save(tmp_path / "hill.png", scene([])))]
    made = craft(people, tmp_path / "work")
    assert list(made.keys) == ["al", "zoe"]
    assert made.faceless == ("hill",)
    assert any("trained on" in note for note in made.notes)
    assert made.notes[-1].endswith("may not fit other photos of these persons: al (4), zoe (1)")
    for name, key in made.keys.items():
        assert (key.subject, key.frame, key.threat, key.strength) == (name, "face", "matching", "mid")
        assert key.delta.shape == (1, 3, 32, 32)
        assert 0 < np.abs(key.delta).max() <= key.epsilon * 255 * 256 + 0.5
    assert made.keys["al"].secret != made.keys["zoe"].secret
    assert not np.array_equal(made.keys["al"].delta, made.keys["zoe"].delta)


def test_nothing_of_a_face_is_left_on_the_disk(tmp_path: Path) -> None:
    people = {"al": shots(tmp_path / "in", "al")}
    craft(people, tmp_path / "work")
    names = {path.name for path in (tmp_path / "work").rglob("*") if path.is_file()}
    assert not {name for name in names if name.endswith((".png", ".jpg", ".npy"))}
    assert (tmp_path / "work").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "work" / album.SECRET).stat().st_mode & 0o777 == 0o600


def test_nobody_with_a_face_is_no_error_and_needs_no_recogniser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedders, "load", lambda name: pytest.fail("was loaded"))
    (tmp_path / "text.jpg").write_text("no photo")
    people = {"hill": [Shot(save(tmp_path / "hill.png", scene([]))), Shot(tmp_path / "text.jpg")]}
    made = craft(people, tmp_path / "work")
    assert (made.keys, made.faceless) == ({}, ("hill",))


def test_the_secret_decides_the_key_and_a_stop_changes_nothing(tmp_path: Path) -> None:
    people = {name: shots(tmp_path, name) for name in ("al", "bo")}
    whole = craft(people, tmp_path / "whole").keys
    work = tmp_path / "work"
    work.mkdir(mode=0o700)
    (work / album.SECRET).write_bytes((tmp_path / "whole" / album.SECRET).read_bytes())
    with pytest.raises(Interrupted):
        craft(people, work, team=Workers(alone().device, stop=StopRequest(requested=True)))
    resumed = craft(people, work).keys
    other = craft(people, tmp_path / "elsewhere").keys
    for name in people:
        assert np.array_equal(whole[name].delta, resumed[name].delta)
        assert not np.array_equal(whole[name].delta, other[name].delta)


def test_em_on_faces_protects_against_training(tmp_path: Path) -> None:
    made = craft({"al": shots(tmp_path, "al", 5)}, tmp_path / "work", settings("faces/em-mid", EM))
    key = made.keys["al"]
    assert (key.frame, key.threat, key.delta.shape) == ("face", "training", (1, 3, 32, 32))
    assert made.notes == ()


def test_the_face_with_the_persons_name_is_taken(tmp_path: Path) -> None:
    place = save(tmp_path / "two.png", scene([EYES, SECOND]))
    named = (Named("bob", Box(*marked_faces.box_of(EYES))), Named("ann", Box(*marked_faces.box_of(SECOND))))
    found = face_album.collect({"ann": [Shot(place, named)], "bob": [Shot(place, named)]}, 64, Marked())
    image = scene([EYES, SECOND])
    larger, smaller = (face_album.canvas(image, face, 64) for face in Marked()(image))
    assert np.array_equal(found["ann"][0], smaller)
    assert np.array_equal(found["bob"][0], larger)


def test_a_photo_without_names_shows_its_main_face_and_never_somebody_elses(tmp_path: Path) -> None:
    place = save(tmp_path / "two.png", scene([EYES, SECOND]))
    image = scene([EYES, SECOND])
    larger, smaller = (face_album.canvas(image, face, 64) for face in Marked()(image))
    (alone,) = face_album.collect({"ann": [Shot(place)]}, 64, Marked())["ann"]
    assert np.array_equal(alone, larger)
    bob = (Named("bob", Box(*marked_faces.box_of(EYES))),)
    (other,) = face_album.collect({"ann": [Shot(place, bob)]}, 64, Marked())["ann"]
    assert np.array_equal(other, smaller)
    gone = (Named("ann", Box(0.9, 0.9, 0.05, 0.05)),)
    assert face_album.collect({"ann": [Shot(place, gone)]}, 64, Marked()) == {}


def test_a_recipe_without_a_square_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="square"):
        face_album.side_of(recipe.load("demo"))


@pytest.fixture
def cloak() -> cloaking_photos.PhotoCloak:
    of = settings("faces/fawkes-mid")
    assert of.rows == "sample-wise"
    return cloaking_photos.PhotoCloak(of, bytes(32))


def test_a_cloak_depends_on_secret_and_pixels_only(cloak: cloaking_photos.PhotoCloak) -> None:
    import pickle

    image = scene([EYES, SECOND])
    faces = Marked()(image)
    first = cloak(image, faces, b"pixels")
    assert (first.shape, first.dtype) == ((2, 3, 32, 32), np.int16)
    assert 0 < np.abs(first).max() <= cloak.epsilon * 255 * 256 + 0.5
    torch.set_num_threads(1)
    assert np.array_equal(pickle.loads(pickle.dumps(cloak))(image, faces, b"pixels"), first)  # noqa: S301
    assert not np.array_equal(cloak(image, faces, b"others"), first)
    gray = cloak(image[..., :1], faces[:1], b"pixels")
    assert gray.shape == (1, 3, 32, 32)
    assert "00" not in repr(cloak).split("secret")[-1][:3]


def test_the_secret_of_cloaks_is_kept_for_its_owner(tmp_path: Path) -> None:
    of = settings("faces/fawkes-mid")
    drawn = cloaking_photos.known(tmp_path / "keys", of)
    assert not (tmp_path / "keys").exists()
    cloaking_photos.keep(tmp_path / "keys", drawn)
    again = cloaking_photos.known(tmp_path / "keys", of)
    assert again == drawn
    assert again.id == drawn.id
    place = tmp_path / "keys" / cloaking_photos.FILE
    assert place.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert cloaking_photos.known(tmp_path / "other", of).id != drawn.id
    assert cloaking_photos.known(tmp_path / "keys", settings("faces/lowkey-mid")).id != drawn.id
    for broken in ("{", "[]", json.dumps({"secret": "zz"})):
        place.write_text(broken)
        with pytest.raises(UnlearnError, match="not a readable secret"):
            cloaking_photos.known(tmp_path / "keys", of)
