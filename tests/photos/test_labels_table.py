"""A CSV of subjects: exact rows, globs, and errors that name file and line."""

from pathlib import Path

import pytest

from unlearn.errors import DataError
from unlearn.photos.labels.table import Table


def table(tmp_path: Path, text: str | bytes) -> Table:
    path = tmp_path / "people.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Table(path)


def test_exact_rows_win_over_globs(tmp_path: Path) -> None:
    found = table(tmp_path, "path,subject\n2023/**,group\n2023/alice/1.jpg,Alice\n")
    assert found.read(b"2023/alice/1.jpg").names == ("Alice",)
    assert found.read(b"2023/alice/2.jpg").names == ("group",)
    assert found.read(b"2024/1.jpg").names == ()


@pytest.mark.parametrize(
    ("glob", "fits", "others"),
    [
        ("2023/alice/**", [b"2023/alice/1.jpg", b"2023/alice/a/b.jpg"], [b"2023/alice", b"2023/bob/1.jpg"]),
        ("**/a.jpg", [b"a.jpg", b"x/a.jpg", b"x/y/a.jpg"], [b"xa.jpg", b"x/a.jpg/b"]),
        ("*.jpg", [b"1.jpg", b"new\nline.jpg", b"caf\xe9.jpg"], [b"x/1.jpg", b"1.jpgx"]),
        ("IMG_?.jpg", [b"IMG_1.jpg"], [b"IMG_10.jpg", b"IMG_/.jpg"]),
        ("IMG_[0-4].jpg", [b"IMG_3.jpg"], [b"IMG_5.jpg", b"IMG_[0-4]xjpg"]),
        ("IMG_[!0-4].jpg", [b"IMG_5.jpg"], [b"IMG_3.jpg"]),
        ("a+(b)*.jpg", [b"a+(b)c.jpg"], [b"aab.jpg"]),
        ("[a&&b]*", [b"a1", b"&1"], [b"c"]),
    ],
)
def test_globs(tmp_path: Path, glob: str, fits: list[bytes], others: list[bytes]) -> None:
    found = table(tmp_path, f"path,subject\n{glob},Alice\n")
    assert [p for p in fits if not found.read(p).names] == []
    assert [p for p in others if found.read(p).names] == []


def test_a_file_whose_name_looks_like_a_glob_is_met(tmp_path: Path) -> None:
    assert table(tmp_path, "path,subject\nIMG[1].jpg,Alice\n").read(b"IMG[1].jpg").names == ("Alice",)


def test_globs_that_disagree_are_noted(tmp_path: Path) -> None:
    found = table(tmp_path, "path,subject\na/**,Alice\n**/1.jpg,Bob\n").read(b"a/1.jpg")
    assert found.names == ("Alice",)
    assert found.notes == ("line 2 of the table says 'Alice', line 3 says 'Bob'",)


def test_rows_without_a_photo_are_reported(tmp_path: Path) -> None:
    found = table(tmp_path, "path,subject\n./a/1.jpg,Alice\nb/*.jpg,Bob\ncaf\u00e9.jpg,Zo\u00eb\n")
    found.read(b"a/1.jpg")
    assert found.unmet() == [
        f"{tmp_path}/people.csv, line 3: b/*.jpg",
        f"{tmp_path}/people.csv, line 4: caf\u00e9.jpg",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "path;subject\na.jpg;Alice\n",
        "\ufeffSubject\tPath\r\nAlice\ta.jpg\r\n",
        'extra,path,subject\nx,"a.jpg","Alice"\n\n',
    ],
)
def test_dialects_of_spreadsheets(tmp_path: Path, text: str) -> None:
    assert table(tmp_path, text).read(b"a.jpg").names == ("Alice",)


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    assert table(tmp_path, b"path,subject\ncaf\xe9.jpg,Alice\n").read(b"caf\xe9.jpg").names == ("Alice",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "line 1: no column path and no column subject"),
        ("path,name\na,b\n", "line 1: no column subject"),
        ("path,subject\na.jpg\n", "line 2: only 1 columns"),
        ("path,subject\na.jpg, \n", "line 2: no subject"),
        ("path,subject\n,Alice\n", "line 2: no path"),
        ("path,subject\n/home/a.jpg,Alice\n", "line 2: '/home/a.jpg' must be relative"),
        ("path,subject\nC:\\a.jpg,Alice\n", "line 2: 'C:\\\\a.jpg' must be relative"),
        ("path,subject\na\\b.jpg,Alice\n", "line 2: 'a\\\\b.jpg' has backslashes"),
        ("path,subject\n../a.jpg,Alice\n", "line 2: '../a.jpg' leads out"),
        ("path,subject\na.jpg,Alice\na.jpg,Bob\n", "line 3: 'a.jpg' is 'Alice' on line 2"),
        ("path,subject\n[z-a].jpg,Alice\n", "line 2: '[z-a].jpg' is no pattern"),
        ('path,subject\n"a.jpg,Alice\n', "line 2: "),
        ("path,subject\n" + "x" * 200_000 + ",Alice\n", "line 2: "),
    ],
)
def test_errors_name_file_and_line(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(DataError) as caught:
        table(tmp_path, text)
    assert f"{tmp_path}/people.csv, {expected}" in str(caught.value)


def test_all_errors_come_at_once_but_not_without_end(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        table(tmp_path, "path,subject\n" + ",Alice\n" * 50)
    lines = str(caught.value).split("\n")
    assert len(lines) == 21
    assert lines[-1].endswith("30 more problems")


def test_a_missing_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        Table(tmp_path / "no.csv")
