"""Names of outputs: kept where that is possible, the same in every run where it is not."""

import unicodedata
from pathlib import Path

from unlearn.photos import naming


def same(*paths: bytes) -> list[tuple[bytes, bytes]]:
    return [(path, path) for path in sorted(paths)]


def test_different_names_stay() -> None:
    assert naming.outputs(same(b"a.jpg", b"A.jpg", b"b/a.jpg")) == {}


def test_a_photo_that_changes_its_format_gives_way_to_one_that_does_not() -> None:
    wished = sorted([(b"IMG_1.HEIC", b"IMG_1.jpg"), (b"IMG_1.jpg", b"IMG_1.jpg"), (b"IMG_2.HEIC", b"IMG_2.jpg")])
    assert naming.outputs(wished) == {b"IMG_1.HEIC": b"IMG_1.heic.jpg", b"IMG_2.HEIC": b"IMG_2.jpg"}


def test_the_new_name_may_be_taken_too() -> None:
    wished = sorted(
        [(b"I.HEIC", b"I.jpg"), (b"I.heif", b"I.jpg"), (b"I.jpg", b"I.jpg"), (b"I.heic.jpg", b"I.heic.jpg")]
    )
    names = naming.outputs(wished)
    assert names == {b"I.HEIC": b"I.2.jpg", b"I.heif": b"I.heif.jpg"}


def test_one_name_in_two_spellings_of_unicode() -> None:
    composed, decomposed = (unicodedata.normalize(form, "é.jpg").encode() for form in ("NFC", "NFD"))
    names = naming.outputs(same(composed, decomposed))
    assert names == {composed: "é.2.jpg".encode()}  # the decomposed one comes first


def test_upper_and_lower_case_only_where_the_file_system_mixes_them() -> None:
    assert naming.outputs(same(b"A.jpg", b"a.jpg", b"a.png"), case_folded=True) == {b"a.jpg": b"a.2.jpg"}


def test_names_that_are_no_text_and_names_without_suffix() -> None:
    assert naming.outputs(same(b"caf\xe9.jpg", b"caf\xea.jpg")) == {}
    assert naming.outputs(same(b"X", b"x"), case_folded=True) == {b"x": b"x.2"}
    assert naming.jpeg_name(b"a.b/c") == b"a.b/c.jpg"
    assert naming.jpeg_name(b"a.b/c.d.heic") == b"a.b/c.d.jpg"
    assert naming.jpeg_name(b".heic") == b".heic.jpg"


def test_the_order_of_others_does_not_matter() -> None:
    first = [(b"I.HEIC", b"I.jpg"), (b"I.heif", b"I.jpg"), (b"I.jpg", b"I.jpg")]
    assert naming.outputs(first) == naming.outputs([*first, (b"z.jpg", b"z.jpg")])


def test_the_file_system_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    folder = tmp_path / "Folder"
    folder.mkdir()
    assert naming.ignores_case(folder / "later") == (tmp_path / "fOLDER").exists()
