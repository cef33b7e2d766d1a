"""One subject a photo: the order of the sources, what else they say, and where they disagree."""

import unicodedata
from pathlib import Path

import pytest
from photo_plants import packet

from unlearn.errors import DataError
from unlearn.photos import subjects
from unlearn.photos.persons import View
from unlearn.photos.subjects import EVERYONE, Labeler

WIDE = View(400, 300)


def regions(*faces: tuple[str, float, float, float]) -> bytes:
    """A packet with square faces (name, center x, center y, size)."""
    rows = "".join(
        f'<rdf:li><rdf:Description mwg-rs:Name="{name}" mwg-rs:Type="Face"><mwg-rs:Area stArea:x="{x}" stArea:y="{y}" '
        f'stArea:w="{size}" stArea:h="{size}"/></rdf:Description></rdf:li>'
        for name, x, y, size in faces
    )
    return packet(
        '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:AppliedToDimensions stDim:w="400" stDim:h="300"/>'
        f"<mwg-rs:RegionList><rdf:Bag>{rows}</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>"
    )


def labeler(people: str = subjects.AUTO, files: dict[bytes, bytes] | None = None) -> Labeler:
    return Labeler(people, (files or {}).get)


def picasa(*faces: tuple[str, str]) -> bytes:
    text = "[Contacts2]\n" + "".join(f"{number}a={name};;\n" for number, (name, _) in enumerate(faces, 1))
    rows = ";".join(f"rect64({rectangle}),{number}a" for number, (_, rectangle) in enumerate(faces, 1))
    return f"{text}[1.jpg]\nfaces={rows}\n".encode()


def test_photos_without_labels_belong_to_everyone() -> None:
    found = labeler().subject(b"a/1.jpg", None, WIDE)
    assert (found.name, found.source, found.conflict) == (EVERYONE, "", "")


def test_the_largest_face_is_the_subject() -> None:
    found = labeler().subject(b"1.jpg", regions(("Ben", 0.2, 0.2, 0.1), ("Anna", 0.6, 0.6, 0.3)), WIDE)
    assert (found.name, found.source, found.also, found.conflict) == ("Anna", "xmp", ("Ben",), "")
    assert [region.name for region in found.regions] == ["Ben", "Anna"]


def test_unnamed_faces_are_kept_and_name_nobody() -> None:
    found = labeler().subject(b"1.jpg", regions(("", 0.5, 0.5, 0.5)), WIDE)
    assert found.name == EVERYONE
    assert len(found.regions) == 1


@pytest.mark.parametrize("name", [b"a/1.jpg.xmp", b"a/1.xmp", b"a/1.jpg.XMP", b"a/1.XMP"])
def test_sidecars(name: bytes) -> None:
    files = {name: regions(("Anna", 0.5, 0.5, 0.2))}
    found = labeler(files=files).subject(b"a/1.jpg", None, WIDE)
    assert (found.name, found.source) == ("Anna", "xmp sidecar")
    both = labeler(files=files).subject(b"a/1.jpg", regions(("Ben", 0.5, 0.5, 0.2)), WIDE)
    assert (both.name, both.also) == ("Ben", ("Anna",))
    assert both.conflict == "xmp says 'Ben', xmp sidecar says 'Anna'"


def test_folders_come_before_regions_and_conflicts_are_listed() -> None:
    packet_of_ben = regions(("Ben", 0.5, 0.5, 0.2))
    found = labeler(subjects.FOLDERS).subject(b"Anna/1.jpg", packet_of_ben, WIDE)
    assert (found.name, found.source, found.also) == ("Anna", "folders", ("Ben",))
    assert found.conflict == "folders says 'Anna', xmp says 'Ben'"
    together = regions(("Ben", 0.5, 0.5, 0.2), ("Anna", 0.1, 0.1, 0.1))
    assert labeler(subjects.FOLDERS).subject(b"Anna/1.jpg", together, WIDE).conflict == ""
    assert labeler(subjects.FOLDERS).subject(b"1.jpg", packet_of_ben, WIDE).name == "Ben"
    assert labeler().subject(b"Anna/1.jpg", None, WIDE).name == EVERYONE, "folders count only when asked for"


def test_tables_come_first(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("path,subject\n1.jpg,Cleo\nmissing.jpg,Dan\n")
    made = labeler(str(path))
    found = made.subject(b"1.jpg", regions(("Ben", 0.5, 0.5, 0.2)), WIDE)
    assert (found.name, found.source, found.also) == ("Cleo", "table", ("Ben",))
    assert made.subject(b"2.jpg", regions(("Ben", 0.5, 0.5, 0.2)), WIDE).name == "Ben"
    assert made.unmet() == [f"{path}, line 3: missing.jpg"]
    assert labeler().unmet() == []


def test_a_table_that_does_not_exist() -> None:
    with pytest.raises(DataError, match="neither `auto` nor `folders` nor an existing CSV"):
        labeler("no.csv")


def test_picasa_and_takeout_come_last() -> None:
    files = {
        b".picasa.ini": picasa(("Anna", "3f845bcb59418507")),
        b"1.jpg.json": b'{"people": [{"name": "Ben"}, {"name": "Cleo"}]}',
    }
    found = labeler(files=files).subject(b"1.jpg", None, WIDE)
    assert (found.name, found.source, found.also) == ("Anna", "picasa", ("Ben", "Cleo"))
    assert found.conflict == "picasa says 'Anna', takeout says 'Ben', 'Cleo'"
    del files[b".picasa.ini"]
    alone = labeler(files=files).subject(b"1.jpg", None, WIDE)
    assert (alone.name, alone.source, alone.also) == ("Ben", "takeout", ("Cleo",))
    assert alone.notes == ("2 names without boxes; 'Ben' came first",)


def test_one_face_in_two_sources_counts_once() -> None:
    unnamed = regions(("", 0.5, 0.5, 0.5))
    files = {b".picasa.ini": picasa(("Anna", "40004000c000c000"))}
    (face,) = labeler(files=files).subject(b"1.jpg", unnamed, WIDE).regions
    assert (face.name, face.source) == ("Anna", "mwg")
    swapped = {b".picasa.ini": picasa(("Anna", "40004000c000c000"), ("Ben", "0ccc0ccc26662666"))}
    faces = regions(("Ben", 0.5, 0.5, 0.5), ("Anna", 0.1, 0.1, 0.1))
    two = labeler(files=swapped).subject(b"1.jpg", faces, WIDE)
    assert two.conflict == "one face is 'Ben' and, in picasa, 'Anna'"
    assert [region.name for region in two.regions] == ["Ben", "Anna"]


def test_notes_of_sources_are_passed_on() -> None:
    stale = regions(("Anna", 0.5, 0.5, 0.2)).replace(b'stDim:h="300"', b'stDim:h="200"')
    found = labeler().subject(b"1.jpg", stale, WIDE)
    assert found.name == EVERYONE
    assert "older than the photo's crop" in found.notes[0]


HOSTILE = [
    "alice", "Alice", "ALICE", "aLice", "Zo\u00eb", "zoe", "../../etc/passwd", "..", ".", ".hidden", "a/b", "a\\b",
    "a:b", "con", "NUL", "com1", "alice ", "alice.", "-rf", "a\x00b", "a\nb", "\u202eecila", "\U0001f600",
    "\u674e\u660e", "x" * 300, "x" * 301, "\u00df", "ss", "\u0130", "i", "caf\udce9", "", " ", "everyone",
    "alice-0123abcd", "a--b", "a_", "\ufb03" * 90,
]  # fmt: skip


def test_file_names_are_safe_short_and_unique_whatever_the_case() -> None:
    names = [subjects.file_name(subject) for subject in HOSTILE]
    assert len({name.casefold() for name in names}) == len(HOSTILE)
    for name in names:
        assert 0 < len(name.encode()) <= 200
        assert name == unicodedata.normalize("NFC", name)
        assert not set(name) & set('/\\:*?"<>|.\0\n \u202e')
        assert name[0] not in "-_"
        assert name.lower() not in ("con", "nul", "com1")


def test_plain_names_stay_and_spellings_of_one_name_agree() -> None:
    assert [subjects.file_name(name) for name in ("alice", "anna-2", "everyone")] == ["alice", "anna-2", "everyone"]
    assert subjects.file_name("Zo\u0065\u0308") == subjects.file_name("Zo\u00eb")
    assert subjects.file_name("Alice B") == "Alice_B-" + subjects.file_name("Alice B")[-8:]
