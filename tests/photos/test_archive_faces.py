"""Archives whose faces are protected: who gets which noise, photos without faces, and the same bytes on every way."""

import dataclasses
import json
import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from archives import in_this_process, key, photo, saved_key, tree
from marked_faces import EYES, SECOND, Marked, RandomCloak, box_of, regions, save, saved_face_key, scene
from PIL import Image

from unlearn.photos import archive as archives
from unlearn.photos import face_noise, keys, manifest, plan, summary, summary_text, survey, verifying
from unlearn.photos.archive import Ended
from unlearn.photos.display import Quiet
from unlearn.photos.keys import Key, KeyFileError
from unlearn.photos.rows import COLUMNS
from unlearn.photos.settings import Archive
from unlearn.photos.summary import Summary
from unlearn.signals import StopRequest

pytest.importorskip("cv2")
BIG = ((150.0, 110.0), (230.0, 116.0))  # eyes whose marks survive JPEG


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives.pool, "outcomes", in_this_process)


def held(path: Path) -> tuple[str, str]:
    return str(path), keys.load(path).id


@pytest.fixture
def settings(tmp_path: Path) -> Archive:
    """Three photos with faces, one without; a key for the faces of everyone."""
    root = tmp_path / "in"
    save(root / "a.png", scene([EYES]))
    save(root / "b/two.png", scene([EYES, SECOND], seed=1))
    save(root / "c.jpg", scene([BIG], seed=2), quality=92)
    save(root / "hill.png", scene([], seed=3))
    face = saved_face_key(tmp_path / "everyone.face.safetensors")
    out = tmp_path / "out"
    face_keys = {"everyone": (held(face),)}
    options = {"threats": ("matching",), "workers": 1, "fsync": False}
    return Archive(root, out, out / ".unlearn", {}, face_keys, Marked(), **options)  # type: ignore[arg-type]


def run(settings: Archive, people: str | None = None, stop: StopRequest | None = None) -> tuple[Ended, Summary]:
    found = survey.survey(settings.photos, people=people)
    with archives.opened(settings, found, Quiet()) as rows:
        ended = archives.run(settings, found, rows, Quiet(), stop or StopRequest())
        source = rows.source(os.fsencode(settings.photos.resolve()))
        return ended, summary.gather(rows, ended, found, source, settings.threats, ("matching",), settings.face_keys)


def change(settings: Archive, name: str) -> np.ndarray:
    """What an archive has changed in a photo, upright."""
    with Image.open(settings.photos / name) as before, Image.open(settings.out / name) as after:
        return np.asarray(after).astype(int) - np.asarray(before)


def with_photo_key(settings: Archive, tmp_path: Path) -> Archive:
    path = saved_key(tmp_path / "everyone.safetensors")
    return dataclasses.replace(settings, keys={"everyone": held(path)}, threats=("training", "matching"))


def test_faces_are_protected_and_counted(settings: Archive, one_process: None) -> None:
    ended, done = run(settings)
    assert ended.tally.worked == {"protected": 3, "left-out": 1}
    assert done.left_out == {face_noise.NO_FACE: 1}
    assert not (settings.out / "hill.png").exists()
    moved = change(settings, "a.png")
    assert np.abs(moved[100:160, 220:280]).mean() > 1
    assert not moved[:, :60].any()
    faces = done.faces
    assert (faces.found, faces.protected, faces.in_photos, faces.without, faces.moved) == (4, 4, 3, 1, 0)
    assert (faces.smallest, faces.measured) == (48, 4)
    assert faces.worst[0][1] < 1
    text = "\n".join(summary_text.lines(done, "out"))
    for words in ("4 faces in 3 photos protected against matching", "no face was found in 1 photo", "48 pixels",
                  "trained on these photos: this noise acts on finished recognisers", "where they were",
                  "WARNING: nobody is named in 3 photos"):  # fmt: skip
        assert words in text, text
    assert "know a face already" not in text
    json.dumps(done.facts())


def test_a_photo_without_a_face_is_left_out_copied_or_protected_as_a_whole(
    settings: Archive, tmp_path: Path, one_process: None
) -> None:
    run(settings)
    copying = dataclasses.replace(settings, faceless="copy")
    ended, done = run(copying)
    assert ended.tally.worked["copied"] == 1
    assert (settings.out / "hill.png").read_bytes() == (settings.photos / "hill.png").read_bytes()
    assert "WARNING: 1 of the copied files may show clean pictures" in summary_text.lines(done, "out")
    assert run(copying)[0].tally.unchanged == 4
    both = with_photo_key(settings, tmp_path)
    ended, done = run(both)
    assert ended.tally.worked == {"protected": 4}
    assert np.abs(change(settings, "hill.png")).max() > 0
    assert done.faces.without == 1
    skipping = dataclasses.replace(both, faceless="skip")
    ended, done = run(skipping)
    assert done.left_out == {face_noise.NO_FACE: 1}
    assert not (settings.out / "hill.png").exists()


def test_only_what_has_to_be_is_made_again(settings: Archive, tmp_path: Path, one_process: None) -> None:
    run(settings)
    assert run(settings)[0].tally.unchanged == 4
    other = saved_face_key(tmp_path / "other.safetensors", seed=9)
    changed = dataclasses.replace(settings, face_keys={"everyone": (held(other),)})
    assert run(changed)[0].tally.worked == {"protected": 3, "left-out": 1}
    assert run(changed)[0].tally.unchanged == 4
    elsewhere = dataclasses.replace(settings, finder=Marked("other marks"))
    assert run(elsewhere)[0].tally.worked == {"protected": 3, "left-out": 1}


def test_processes_and_interruptions_do_not_change_a_byte(
    settings: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = with_photo_key(settings, tmp_path)
    for number in range(4):
        save(settings.photos / f"more/{number}.jpg", scene([BIG], seed=10 + number), quality=90)
    one = dataclasses.replace(both, cloak=RandomCloak())
    two = dataclasses.replace(one, out=tmp_path / "two", state=tmp_path / "two/.unlearn", workers=2)
    with monkeypatch.context() as patch:
        patch.setattr(archives.pool, "outcomes", in_this_process)
        run(one)
        run(dataclasses.replace(two, limit=3))
    run(two)
    assert tree(one.out) == tree(two.out)
    exports = [(each.state / manifest.EXPORT).read_bytes() for each in (one, two)]
    assert exports[0] == exports[1]


def test_equal_files_are_equal_and_names_make_them_differ(settings: Archive, tmp_path: Path, one_process: None) -> None:
    for name in ("a2.png", "a3.png"):
        (settings.photos / name).write_bytes((settings.photos / "a.png").read_bytes())
    (settings.photos / "a3.png.xmp").write_text(regions([("ann", box_of(EYES))]))
    ann = saved_face_key(tmp_path / "ann.face.safetensors", "ann", seed=5)
    named = dataclasses.replace(settings, face_keys={**settings.face_keys, "ann": (held(ann),)})
    run(named, people="auto")
    first, second, third = ((settings.out / name).read_bytes() for name in ("a.png", "a2.png", "a3.png"))
    assert first == second
    assert first != third


def test_everybody_gets_the_noise_of_their_own(settings: Archive, tmp_path: Path, one_process: None) -> None:
    (settings.photos / "b/two.png.xmp").write_text(regions([("ann", box_of(EYES)), ("bob", box_of(SECOND))]))
    ann = saved_face_key(tmp_path / "ann.face.safetensors", "ann", value=6)
    bob = saved_face_key(tmp_path / "bob.face.safetensors", "bob", value=-5)
    named = dataclasses.replace(settings, face_keys={"ann": (held(ann),), "bob": (held(bob),)})
    found = survey.survey(settings.photos)
    assert list(found.people()) == ["ann", "bob", "everyone"]
    _, done = run(named, people="auto")
    moved = change(settings, "b/two.png")
    assert (moved[130, 252, 0], moved[90, 80, 0]) == (6, -5)
    assert done.subjects == {"ann": 1}
    assert done.left_out[face_noise.NO_KEY] == 2
    assert done.left_out[face_noise.NO_FACE] == 1
    assert "WARNING: 2 faces without noise" in "\n".join(summary_text.lines(done, "out"))


def test_a_named_face_that_is_not_found_is_told(settings: Archive, one_process: None) -> None:
    (settings.photos / "a.png.xmp").write_text(regions([("ann", (0.8, 0.8, 0.1, 0.1))]))
    given = dataclasses.replace(settings, face_keys={"ann": settings.face_keys["everyone"]})
    _, done = run(given, people="auto")
    assert done.notes == {"a named face was not found": 1}


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_a_turned_photo_has_its_noise_on_the_face(settings: Archive, orientation: int, one_process: None) -> None:
    turns = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE}
    upright = Image.fromarray(scene([BIG], seed=2))
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = turns[orientation]
    (upright.transpose(turn) if turn is not None else upright).save(
        settings.photos / "turned.jpg", quality=95, subsampling=0, exif=exif
    )
    run(settings)
    from PIL import ImageOps

    with Image.open(settings.photos / "turned.jpg") as a, Image.open(settings.out / "turned.jpg") as b:
        before, after = (np.asarray(ImageOps.exif_transpose(each)).astype(int) for each in (a, b))
    moved = np.abs(after - before)
    assert moved[100:180, 150:230].mean() > 8 * max(0.05, moved[270:, 370:].mean())


def test_the_audit_trail_holds(settings: Archive, tmp_path: Path, one_process: None) -> None:
    both = with_photo_key(settings, tmp_path)
    run(both)
    proof = verifying.verify(both.out, originals=both.photos, workers=1)
    assert proof.findings == []
    assert proof.files == {"protected": 4}
    with manifest.read_only(both.state) as rows:
        assert rows is not None
        epsilons = {row.path: row.epsilon for row in rows.rows()}
    assert epsilons[b"a.png"] == pytest.approx(8 / 255)


def test_the_plan_speaks_of_faces(settings: Archive, tmp_path: Path, one_process: None) -> None:
    found = survey.survey(settings.photos, people=None)
    made = plan.timed(plan.make(found, settings, None, (), ("everyone",)), found, settings)
    assert made.seconds
    text = "\n".join(plan.lines(made, settings))
    for words in (
        "nobody is named in 4 photos",
        "face keys to be crafted: 1",
        "--recipe faces/cloak-mid",
        "against: matching of faces",
        "found by marks",
        "crafting of 1 key before",
    ):
        assert words in text, text
    assert made.facts()["face_crafting"] == ["everyone"]
    assert not settings.out.exists()


def test_a_key_that_changes_during_the_run_is_no_photos_fault(settings: Archive, one_process: None) -> None:
    path = settings.face_keys["everyone"][0][0]
    wrong = dataclasses.replace(settings, face_keys={"everyone": ((path, "0" * 16),)})
    with pytest.raises(KeyFileError, match="was replaced"):
        run(wrong)


def test_a_cloak_is_made_of_every_photos_own_pixels(settings: Archive, one_process: None) -> None:
    save(settings.photos / "a2.png", scene([EYES]), compress_level=1)  # the same pixels in another file
    cloaked = dataclasses.replace(settings, face_keys={}, cloak=RandomCloak())
    _, done = run(cloaked)
    assert done.faces.protected == 5
    assert "nobody is named" not in "\n".join(summary_text.lines(done, "out"))
    assert np.array_equal(change(cloaked, "a.png"), change(cloaked, "a2.png"))
    assert np.abs(change(cloaked, "a.png")).max() == 8
    first = tree(cloaked.out)
    assert run(cloaked)[0].tally.unchanged == 5
    (cloaked.out / "a.png").unlink()
    run(cloaked)
    assert tree(cloaked.out) == first
    other = dataclasses.replace(cloaked, cloak=RandomCloak(b"x" * 32, "another cloak"))
    assert run(other)[0].tally.worked["protected"] == 4


OLD = """
CREATE TABLE run (id INTEGER PRIMARY KEY, started_ns INTEGER, finished_ns INTEGER, version TEXT, libraries TEXT,
    recipe TEXT, recipe_hash BLOB, key_ids TEXT, exit_code INTEGER);
CREATE TABLE source (id INTEGER PRIMARY KEY, folder BLOB UNIQUE);
CREATE TABLE file (path BLOB PRIMARY KEY, status TEXT, reason TEXT,
    out_path BLOB UNIQUE, size INTEGER, mtime_ns INTEGER, sha256 BLOB, pixel_hash BLOB,
    out_size INTEGER, out_sha256 BLOB, recipe_hash BLOB, key_id TEXT, version TEXT,
    epsilon REAL, subject TEXT, format TEXT, width INTEGER, height INTEGER,
    linf REAL, linf_p999 REAL, psnr REAL, ssim REAL, kept REAL,
    dropped TEXT, notes TEXT, twin_of BLOB, source INTEGER) WITHOUT ROWID;
CREATE TABLE face (path BLOB, x REAL, y REAL, w REAL, h REAL, person TEXT, source TEXT, score REAL);
INSERT INTO file VALUES (CAST('a.png' AS BLOB), 'protected', '', CAST('a.png' AS BLOB), 1, 2, NULL, NULL, 3, NULL, NULL,
    'k', '0.1.0', 0.03, 'everyone', 'png', 4, 5, 8.0, 8.0, 40.0, 0.9, 1.0, '{}', '[]', NULL, 1);
PRAGMA user_version = 1;
"""


def test_archives_of_before_there_were_faces_are_read_and_brought_up_to_date(tmp_path: Path) -> None:
    state = tmp_path / ".unlearn"
    state.mkdir()
    database = sqlite3.connect(state / manifest.NAME)
    database.executescript(OLD)
    database.close()
    before = (state / manifest.NAME).read_bytes()
    with manifest.read_only(state) as rows:
        assert rows is not None
        assert [(row.path, row.psnr, row.faces) for row in rows.rows()] == [(b"a.png", 40.0, None)]
    assert (state / manifest.NAME).read_bytes() == before
    with manifest.opened(state) as (rows, notes):
        assert notes == []
        columns = [name for (name,) in rows.ask("SELECT name FROM pragma_table_info('file')")]
        assert sorted(columns) == sorted(COLUMNS)
        old = rows.get(b"a.png")
        assert old is not None
        rows.put(dataclasses.replace(old, faces=2))
    with manifest.opened(state) as (rows, _):
        assert rows.ask("PRAGMA user_version") == [(manifest.VERSION,)]
        assert rows.get(b"a.png") == dataclasses.replace(old, faces=2)


def test_keys_say_where_their_noise_lies(tmp_path: Path) -> None:
    face = keys.load(saved_face_key(tmp_path / "face.safetensors", "ann"))
    assert (face.frame, face.threat) == ("face", "matching")
    keys.save(tmp_path / "photo.safetensors", key("ann"))
    assert keys.load(tmp_path / "photo.safetensors").frame == "photo"
    assert (tmp_path / "face.safetensors").stat().st_mode & 0o777 == 0o600
    odd = dataclasses.replace(face, frame="hand")  # type: ignore[arg-type]
    keys.save(tmp_path / "odd.safetensors", odd)
    with pytest.raises(KeyFileError, match=r"frame is 'hand'"):
        keys.load(tmp_path / "odd.safetensors")


def test_keys_of_before_there_were_faces_are_for_photos(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    keys.save(tmp_path / "now.safetensors", key("ann"))
    with __import__("safetensors").safe_open(tmp_path / "now.safetensors", framework="np") as file:
        meta = json.loads(file.metadata()["unlearn"])
    del meta["frame"]
    save_file(load_file(tmp_path / "now.safetensors"), tmp_path / "old.safetensors", {"unlearn": json.dumps(meta)})
    old: Key = keys.load(tmp_path / "old.safetensors")
    assert (old.frame, old.id) == ("photo", key("ann").id)


def test_photos_that_cannot_be_opened_have_no_faces(settings: Archive, one_process: None) -> None:
    photo(settings.photos / "cut.jpg", 3).write_bytes((settings.photos / "c.jpg").read_bytes()[:-500])
    ended, done = run(settings)
    assert ended.tally.worked["damaged"] == 1
    assert done.faces.photos == 4
