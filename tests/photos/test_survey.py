"""The survey: kinds by content, companions of photos, and whose photos they are."""

from pathlib import Path

import pytest
from archives import photo

from unlearn.photos import survey
from unlearn.photos.survey import Item

HEIC = b"\0\0\0\x18ftypheic" + bytes(100)
MOV = b"\0\0\0\x14ftypqt  " + bytes(100)
NEF = b"II*\0" + bytes(100)
JSON = b'{"title": "x"}'


def items(root: Path, files: dict[str, bytes], people: str | None = None) -> dict[str, Item]:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return {item.path.decode(): item for item in survey.survey(root, people=people).items}


def test_content_decides(tmp_path: Path) -> None:
    data = photo(tmp_path / "p.png").read_bytes()
    found = items(tmp_path / "in", {"a.jpg": data, "b.jpg": HEIC, "c.jpg": b"", "d.txt": data, "e.pdf": b"%PDF-1.4"})
    formats = {name: (item.format, item.task) for name, item in found.items()}
    assert formats == {
        "a.jpg": ("png", "protect"), "b.jpg": ("heif", "protect"), "c.jpg": ("jpeg", "protect"),
        "d.txt": ("png", "protect"), "e.pdf": ("pdf", "other"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sidecar", "owner"),
    [
        ("I.jpg.xmp", "I.jpg"),
        ("I.xmp", "I.jpg"),
        ("i.AAE", "I.jpg"),
        ("I.jpg.json", "I.jpg"),
        ("I.jpg.supplemental-metadata.json", "I.jpg"),
        ("J.jpg(2).json", "J(2).jpg"),
        ("K.json", ""),
        ("sub/I.jpg.json", ""),
    ],
)
def test_sidecars_find_their_photos(tmp_path: Path, sidecar: str, owner: str) -> None:
    data = photo(tmp_path / "p.jpg").read_bytes()
    found = items(tmp_path / "in", {"I.jpg": data, "J(2).jpg": data, "J.jpg": data, sidecar: JSON})
    assert found[sidecar].photo.decode() == owner
    assert found[sidecar].task == ("sidecar" if owner else "other")


def test_raw_twins_and_live_photos_are_named(tmp_path: Path) -> None:
    data = photo(tmp_path / "p.jpg").read_bytes()
    found = items(tmp_path / "in", {"I.JPG": data, "i.nef": NEF, "I.MOV": MOV, "other.mov": MOV, "b/I.nef": NEF})
    assert found["i.nef"].reason.startswith("RAW twin of I.JPG")
    assert found["I.MOV"].reason.startswith("Live Photo video of I.JPG")
    assert found["other.mov"].reason == "video (MOV)"
    assert found["b/I.nef"].reason.startswith("RAW (NEF)")
    assert {item.task for name, item in found.items() if name != "I.JPG"} == {"other"}


def test_subjects_by_folder(tmp_path: Path) -> None:
    data = photo(tmp_path / "p.jpg").read_bytes()
    files = {"alice/1.jpg": data, "alice/2/3.jpg": data, "bob/1.jpg": data, "1.jpg": data}
    found = items(tmp_path / "in", files, "folders")
    assert {name: item.subject for name, item in found.items()} == {
        "alice/1.jpg": "alice", "alice/2/3.jpg": "alice", "bob/1.jpg": "bob", "1.jpg": "everyone",
    }  # fmt: skip
    names = survey.survey(tmp_path / "in", people="folders").subjects()
    assert {name: len(paths) for name, paths in names.items()} == {"alice": 2, "bob": 1, "everyone": 1}


def test_a_name_inside_a_photo(tmp_path: Path) -> None:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
        "<Iptc4xmpExt:PersonInImage><rdf:Bag><rdf:li>Ada</rdf:li></rdf:Bag></Iptc4xmpExt:PersonInImage>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    root = tmp_path / "in"
    photo(root / "ada.jpg", 1, xmp=packet.encode())
    photo(root / "other.jpg", 2)
    photo(root / "beside.jpg", 3)
    (root / "beside.jpg.xmp").write_text(packet)
    found = items(root, {}, "auto")
    assert {name: item.subject for name, item in found.items() if item.task == "protect"} == {
        "ada.jpg": "Ada", "beside.jpg": "Ada", "other.jpg": "everyone",
    }  # fmt: skip
    assert items(root, {}, None)["ada.jpg"].subject == "everyone"


def test_files_that_cannot_be_opened_are_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo(tmp_path / "a.jpg")

    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(survey, "peek", refuse)
    (item,) = survey.survey(tmp_path, people=None).items
    assert (item.task, item.reason, item.format) == ("failed", "permission denied", "jpeg")
