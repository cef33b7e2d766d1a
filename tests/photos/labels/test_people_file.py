"""people.yaml: what is read, and that every mistake is told with its place."""

import stat
from pathlib import Path

import pytest

from unlearn.errors import DataError
from unlearn.people import writing
from unlearn.photos.labels import people_file
from unlearn.photos.labels.people_file import Entry, People, PeopleFile, Person
from unlearn.photos.persons import Box, Region, View
from unlearn.photos.subjects import EVERYONE, Labeler

BOX = Box(0.1, 0.2, 0.3, 0.4)
FACE = "{photo: a.jpg, box: [0.1, 0.2, 0.3, 0.4], score: 0.9, doubt: false}"


def file(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "people.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def body(persons: str = "", rest: str = "") -> str:
    return f"schema: unlearn-people-1\npersons:\n{persons}\n{rest}"


def problem(tmp_path: Path, text: str | bytes) -> str:
    with pytest.raises(DataError) as error:
        people_file.read(file(tmp_path, text))
    return str(error.value).replace(str(tmp_path), "")


def test_regions_and_names_of_a_photo(tmp_path: Path) -> None:
    text = body(
        f"- name: Ann\n  photos: 1\n  note: x\n  faces:\n  - {FACE}\n"
        "- name: Bob\n  faces:\n  - {photo: ./a.jpg, box: [0.5, 0.5, 0.4, 0.4]}\n"
        "- name: IGNORE\n  faces:\n  - {photo: a.jpg, box: [0, 0, 0.05, 0.05]}",
        "unclear:\n- {photo: a.jpg, box: [0.9, 0, 0.05, 0.05]}",
    )
    found = PeopleFile(file(tmp_path, text)).read(b"a.jpg")
    assert found.names == ("Bob", "Ann")
    assert found.regions[0] == Region("Ann", BOX, "people", "upright")
    assert [region.name for region in found.regions[2:]] == ["", ""]


def test_one_name_twice_is_one_person(tmp_path: Path) -> None:
    other = FACE.replace("a.jpg", "b.jpg")
    found = people_file.read(
        file(tmp_path, body(f"- name: Ann\n  faces: [{FACE}]\n- name: ' Ann '\n  faces: [{other}]"))
    )
    assert [(person.name, person.photos) for person in found.persons] == [("Ann", 2)]


def test_scalars_are_names_as_they_are_written(tmp_path: Path) -> None:
    found = people_file.read(file(tmp_path, body("- name: no\n- name: 007\n- name: 2020-01-01\n- name: '~'")))
    assert [person.name for person in found.persons] == ["no", "007", "2020-01-01", "~"]


NAMES = [
    b"caf\xe9.jpg",
    "caf\u00e9.jpg".encode(),
    b"new\nline.jpg",
    b'quo"te\\.jpg',
    b"tab\t.jpg",
    "\U0001f600\u2028".encode(),
    b"\xff\xfe",
    b"a: b #c.jpg",
    b"x\x7f\x1b[31m",
    "\ufeffbom.jpg".encode(),
]


@pytest.mark.parametrize("name", NAMES)
def test_paths_and_names_come_back(tmp_path: Path, name: bytes) -> None:
    shown = 'Zo\u00eb "O\'Neil" \U0001f600: #1'
    people = People((Person(shown, (Entry(name, BOX, 0.5, True),), "note"),), (Entry(b"b/" + name, BOX),))
    path = tmp_path / "people.yaml"
    writing.write(path, people)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    back = people_file.read(path)
    assert (back.persons[0].name, back.persons[0].note) == (shown, "")
    assert [(f.photo, f.box, f.score, f.doubt) for f in back.persons[0].faces] == [(name, BOX, 0.5, True)]
    assert back.unclear[0].photo == b"b/" + name
    assert PeopleFile(path).read(name).names == (shown,)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (body("- nam: Ann"), "people.yaml:3:3 persons.0: 'nam' is not known here (name, photos, note, faces); did you"),
        (body("- name: Ann\n  name: Bob"), ":4:3 persons.0.name: is given twice"),
        (body(f"- faces: [{FACE}]"), ":3:3 persons.0.name: is missing"),
        (body("- name: [Ann]"), ":3:9 persons.0.name: expected text, found a list"),
        (body("- name:"), "persons.0.name: expected text, found nothing"),
        (body("- Ann"), ':3:3 persons.0: expected name, photos, note, faces, found "Ann"'),
        (body("  Ann: []"), ":3:3 persons: expected a list, found a mapping"),
        (body("- name: A\n  faces: [{photo: a.jpg}]"), ":4:11 persons.0.faces.0.box: is missing"),
        (body(f"- name: A\n  faces: [{FACE.replace('0.1,', '1.1,')}]"), "faces.0.box: [1.1, 0.2, 0.3, 0.4] should be"),
        (body(f"- name: A\n  faces: [{FACE.replace('0.3,', '0,')}]"), "should be [left, top, width, height] inside 0"),
        (body(f"- name: A\n  faces: [{FACE.replace('0.3,', '.nan,')}]"), "faces.0.box.2: expected a number"),
        (body(f"- name: A\n  faces: [{FACE.replace('0.3,', 'true,')}]"), "faces.0.box.2: expected a number"),
        (body(f"- name: A\n  faces: [{FACE.replace('0.3,', '')}]"), "faces.0.box: expected 4 numbers, found 3"),
        (body(f"- name: A\n  faces: [{FACE.replace('0.9', '1.5')}]"), "faces.0.score: should lie between 0 and 1"),
        (body(f"- name: A\n  faces: [{FACE.replace('false', 'maybe')}]"), 'expected true or false, found "maybe"'),
        (body(f"- name: A\n  faces: [{FACE.replace('a.jpg', '/a.jpg')}]"), "'/a.jpg' should be a path inside"),
        (body(f"- name: A\n  faces: [{FACE.replace('a.jpg', '../a.jpg')}]"), "should be a path inside"),
        (body("- name: A\n  faces: [{photo_b64: '*', box: [0, 0, 1, 1]}]"), "photo_b64: is no path in base64"),
        (body(f"- name: A\n  faces: [{FACE.replace('score', 'points: [[1, 1]], score')}]"), "1 points; there should"),
        (body(f"- name: A\n  faces: [{FACE}]\n- name: B\n  faces: [{FACE}]"), "a face of 'B' stands under 'A' too"),
        (body(f"- &a\n  name: A\n  faces: [{FACE}]\n- *a"), "is an alias; write it out"),
        ("schema: 2", ":1:9 schema: expected unlearn-people-1"),
        ("path,subject\na,b", "expected schema, persons, unclear"),
        ("", ":1: is empty"),
        ("persons: [", "not readable as YAML"),
        (b"\xff\xfe\xff", "is not UTF-8 text"),
        ("a: " + "[" * 100_000, "not readable as YAML"),
        ("a: !!python/object/apply:os.system ['true']", "'a' is not known here"),
        (body("- name: \x01"), "not readable as YAML"),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_place(tmp_path: Path, text: str | bytes, told: str) -> None:
    assert told in problem(tmp_path, text)


def test_many_mistakes_are_counted(tmp_path: Path) -> None:
    lines = problem(tmp_path, body("- name: A\n  faces:\n" + "  - {photo: a.jpg}\n" * 50)).splitlines()
    assert len(lines) == 21
    assert lines[-1].endswith("30 more problems")


def test_aliases_do_not_multiply(tmp_path: Path) -> None:
    laughs = "a: &a [x, x]\n" + "".join(
        f"{c}: &{c} [*{p}, *{p}, *{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert "is not known here" in problem(tmp_path, laughs)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        people_file.read(tmp_path / "people.yaml")


def test_the_largest_named_face_is_the_subject(tmp_path: Path) -> None:
    text = body(
        f"- name: Ann\n  faces: [{FACE}]\n- name: Bob\n  faces: [{{photo: a.jpg, box: [0.5, 0.5, 0.5, 0.5]}}]",
        "unclear: [{photo: c.jpg, box: [0, 0, 1, 1]}, {photo: gone.jpg, box: [0, 0, 1, 1]}]",
    )
    labeler = Labeler(str(file(tmp_path, text)))
    subject = labeler.subject(b"a.jpg", None, View(10, 10))
    assert (subject.name, subject.also, subject.source) == ("Bob", ("Ann",), "people")
    assert len(subject.regions) == 2
    assert labeler.subject(b"b.jpg", None, View(10, 10)).name == EVERYONE
    nobody = labeler.subject(b"c.jpg", None, View(10, 10))
    assert (nobody.name, len(nobody.regions)) == (EVERYONE, 1)
    assert labeler.unmet() == [f"{tmp_path}/people.yaml, line 7: gone.jpg"]


def test_boxes_count_as_upright_whatever_the_orientation(tmp_path: Path) -> None:
    labeler = Labeler(str(file(tmp_path, body(f"- name: Ann\n  faces: [{FACE}]"))))
    assert labeler.subject(b"a.jpg", None, View(10, 20, 6)).regions[0].box == BOX
