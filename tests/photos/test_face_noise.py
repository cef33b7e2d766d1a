"""Noise on faces: where it lies, whose it is, and that no budget, gray photo or alpha is broken by it."""

import dataclasses

import marked_faces
import numpy as np
import pytest
from marked_faces import EYES, SECOND, Marked, face_key, scene

from unlearn.photos import carrying, face_measuring, face_noise, keys, noise, whose
from unlearn.photos.carrying import Carried
from unlearn.photos.jobs import Setup
from unlearn.photos.keys import Key
from unlearn.photos.persons import Box, Named
from unlearn.photos.persons import upright as upright_box
from unlearn.photos.picture import TURNS, Picture, stored, upright

pytest.importorskip("cv2")


def carried(*named: Named, photo: Key | None = None, **faces: Key) -> Carried:
    by_name = {"" if name == "other" else name: (key,) for name, key in faces.items()}
    return Carried(photo, by_name, named, "m")


def change(picture: Picture, worn: Carried) -> tuple[np.ndarray, face_noise.Covered]:
    before, pixels = picture.pixels.astype(np.int64), keys.pixel_hash(picture)
    covered = face_noise.covered(picture, worn, pixels, Marked(), None)
    noise.add(picture, worn.photo, pixels, covered.patches)
    return picture.pixels.astype(np.int64) - before, covered


def test_noise_lies_on_the_face_and_nowhere_else() -> None:
    moved, covered = change(Picture(scene([EYES]), "png"), carried(other=face_key(value=8)))
    assert covered.facts() == {"faces": 1, "faces_protected": 1, "faces_small": 0, "face_side": 76}
    assert (moved[110:150, 235:270] == 8).mean() > 0.95
    assert not moved[:, :20].any()
    assert not moved[:, 380:].any()
    assert moved.max() == 8
    assert covered.epsilon == 8 / 255


@pytest.mark.parametrize("orientation", sorted(TURNS))
def test_the_face_is_covered_in_all_eight_orientations(orientation: int) -> None:
    shown = scene([EYES], (400, 300))
    worn = carried(other=face_key(seed=3))
    straight, _ = change(Picture(shown.copy(), "png"), worn)
    turned, covered = change(Picture(np.ascontiguousarray(stored(shown, orientation)), "png", orientation), worn)
    assert len(covered.protected) == 1
    assert straight.any()
    assert np.array_equal(upright(turned, orientation), straight)


def test_photo_and_face_noise_meet_within_the_larger_budget() -> None:
    whole = Key("a", np.full((1, 1, 8, 8), 5 * 256, np.int16), 5.5 / 255, "mid", bytes(32), "")
    moved, _ = change(Picture(scene([EYES]), "png"), carried(photo=whole, other=face_key(value=6)))
    face = moved[110:150, 235:270]
    assert moved[:, :20].max() == 5
    assert (moved[5, 5] == 5).all()
    assert face.max() == 8  # not 11: the sum is clipped
    assert np.median(face) == 8


def test_overlapping_faces_keep_to_the_budget() -> None:
    close = [((60.0, 60.0), (100.0, 60.0)), ((70.0, 90.0), (112.0, 92.0))]
    for seed in range(3):
        moved, covered = change(Picture(scene(close), "png"), carried(other=face_key(levels=8, seed=seed)))
        assert len(covered.protected) == 2
        assert np.abs(moved).max() <= 8


@pytest.mark.parametrize("size", [(400, 300), (1200, 900), (1999, 1501)])
def test_the_budget_holds_for_small_and_large_faces(size: tuple[int, int]) -> None:
    factor = size[0] / 400
    eyes = tuple((x * factor, y * factor) for x, y in EYES)
    whole = Key("a", np.full((1, 3, 8, 8), -4 * 256, np.int16), 4 / 255, "mid", bytes(32), "")
    moved, covered = change(Picture(scene([eyes], size), "png"), carried(photo=whole, other=face_key(seed=1)))
    assert len(covered.protected) == 1
    assert np.abs(moved).max() <= 8
    assert moved.min() < -4


def test_gray_stays_gray_and_alpha_stays() -> None:
    picture = Picture(scene([EYES], gray=True), "png", alpha=np.full((300, 400), 7, np.uint8))
    moved, _ = change(picture, carried(other=face_key(seed=2)))
    assert moved.any()
    assert (moved == moved[..., :1]).all()
    assert (picture.alpha == 7).all()  # type: ignore[union-attr]
    single = Picture(scene([EYES], gray=True)[..., :1].copy(), "png")
    assert np.array_equal(change(single, carried(other=face_key(seed=2)))[0], moved[..., :1])


def test_sixteen_bits_move_in_their_own_units() -> None:
    shown = scene([EYES])
    eight, _ = change(Picture(shown.copy(), "png"), carried(other=face_key(seed=4)))
    deep, _ = change(Picture(shown.astype(np.uint16) * 257, "png"), carried(other=face_key(seed=4)))
    assert np.abs(deep).max() <= 8 * 257
    assert np.abs(deep / 257 - eight).max() <= 0.51
    assert deep.any()


def test_every_named_face_has_its_own_noise() -> None:
    boxes = [Named("ann", _box(EYES)), Named("bob", _box(SECOND))]
    worn = carried(*boxes, ann=face_key("ann", value=6), bob=face_key("bob", value=-5))
    moved, covered = change(Picture(scene([EYES, SECOND]), "png"), worn)
    assert moved[130, 252].tolist() == [6, 6, 6]
    assert moved[90, 80].tolist() == [-5, -5, -5]
    assert len(covered.protected) == 2
    assert covered.notes == ()


def test_faces_without_a_name_have_the_subjects_noise() -> None:
    worn = carried(Named("ann", _box(EYES)), ann=face_key("ann", value=6), other=face_key("bob", value=-5))
    moved, _ = change(Picture(scene([EYES, SECOND]), "png"), worn)
    assert (moved[130, 252, 0], moved[90, 80, 0]) == (6, -5)
    nobody = carried(Named("zoe", _box(EYES)), other=face_key("bob", value=-5))
    assert change(Picture(scene([EYES]), "png"), nobody)[0][130, 252, 0] == -5


def test_several_keys_of_one_face_work_together() -> None:
    both = Carried(None, {"": (face_key(value=3), face_key(value=4, seed=1))})
    assert change(Picture(scene([EYES]), "png"), both)[0][130, 252].tolist() == [7, 7, 7]


def test_faces_without_a_key_are_counted_and_left_alone() -> None:
    moved, covered = change(Picture(scene([EYES, SECOND]), "png"), carried(Named("ann", _box(EYES)), ann=face_key()))
    assert (len(covered.found), len(covered.protected), covered.small) == (2, 1, 0)
    assert not moved[75:100, 70:90].any()
    _, none = change(Picture(scene([EYES]), "png"), carried())
    assert none.lack == face_noise.NO_KEY
    assert change(Picture(scene([]), "png"), carried(other=face_key()))[1].lack == face_noise.NO_FACE


def test_tiny_faces_are_no_use_to_anybody() -> None:
    tiny = ((100.0, 100.0), (108.0, 100.0))
    moved, covered = change(Picture(scene([tiny]), "png"), carried(other=face_key()))
    assert (covered.small, covered.lack) == (1, face_noise.ALL_SMALL)
    assert not moved.any()


def test_faces_at_the_border_and_beyond() -> None:
    for eyes in [((1.0, 4.0), (44.0, 4.0)), ((360.0, 290.0), (396.0, 296.0))]:
        moved, covered = change(Picture(scene([eyes]), "png"), carried(other=face_key(seed=1)))
        assert len(covered.protected) == 1
        assert moved.any()
        assert np.abs(moved).max() <= 8


def _box(eyes: marked_faces.Eyes) -> Box:
    return Box(*marked_faces.box_of(eyes))


def test_names_of_boxes_that_fit_badly() -> None:
    faces = Marked()(scene([EYES, SECOND]))
    head = Box(0.45, 0.1, 0.4, 0.9)  # a whole head with shoulders, as some people draw it
    assert whose.names(faces, [Named("ann", head)], 300, 400)[0] == ["ann", ""]
    names, notes = whose.names(faces, [Named("ann", Box(0.0, 0.0, 1.0, 1.0))], 300, 400)
    assert names == ["ann", ""]
    assert notes == (whose.SEVERAL,)
    assert whose.names(faces, [Named("ann", Box(0.9, 0.9, 0.05, 0.05))], 300, 400) == (["", ""], (whose.NOT_FOUND,))
    twice = [Named("ann", _box(EYES)), Named("ann", _box(SECOND))]
    assert whose.names(faces, twice, 300, 400) == (["ann", "ann"], ())
    assert whose.names((), [Named("ann", head)], 300, 400) == ([], (whose.NOT_FOUND,))


@pytest.mark.parametrize("orientation", sorted(TURNS))
def test_boxes_of_unclear_frame_are_read_both_ways(orientation: int) -> None:
    faces = Marked()(scene([SECOND]))
    right, wrong = _box(SECOND), upright_box(_box(SECOND), orientation)
    for box in (right, wrong):
        assert whose.names(faces, [Named("ann", box, unclear=True)], 300, 400, orientation)[0] == ["ann"]


def test_the_mark_names_everything_that_decides_a_photos_bytes() -> None:
    setup = Setup(b"", b"", {"a": ("f", "p1")}, {"a": (("f", "f1"),), "b": (("f", "f2"), ("f", "f3"))}, Marked())
    named = (Named("b", Box(0.1, 0.1, 0.2, 0.2)),)
    assert carrying.mark("a", named, dataclasses.replace(setup, finder=None)) == "p1"
    assert carrying.mark("a", (), setup) == "p1+f1"
    assert carrying.mark("nobody", (), setup) == ""
    marks = {carrying.mark("a", labels, setup) for labels in (
        (), named, (Named("b", Box(0.1, 0.1, 0.2, 0.3)),), (Named("a", Box(0.1, 0.1, 0.2, 0.2)),),
    )}  # fmt: skip
    assert len(marks) == 4
    assert carrying.mark("a", named, setup).startswith("p1+f1+f2+f3:")


def test_faces_are_measured_and_looked_for_again() -> None:
    shown = scene([EYES, SECOND])
    faces = Marked()(shown)
    worse = shown.copy()
    left, top, right, bottom = (int(edge) for edge in faces[1].box)
    worse[max(0, top) : bottom, max(0, left) : right] ^= 16
    found = face_measuring.figures(faces, shown, worse, 1, faces)
    assert found["faces_moved"] == 0
    assert found["face_psnr"] < 30
    assert face_measuring.figures(faces[:1], shown, shown, 1, faces)["face_ssim"] == pytest.approx(1)
    near = tuple(dataclasses.replace(face, points=face.points + 0.05 * face.eye_distance) for face in faces)
    far = tuple(dataclasses.replace(face, points=face.points + 0.2 * face.eye_distance) for face in faces)
    assert face_measuring.figures(faces, shown, shown, 1, near)["faces_moved"] == 0
    assert face_measuring.figures(faces, shown, shown, 1, far)["faces_moved"] == 2
    assert face_measuring.figures(faces, shown, shown, 1, ())["faces_moved"] == 2
