"""The walk: its order, what it leaves alone and by which rule, links, odd names, and trees that change under it."""

import os
import subprocess
from pathlib import Path

import pytest

from unlearn.errors import UnlearnError
from unlearn.photos import walking
from unlearn.photos.walking import InputMissing, LibraryFound, Rules, Skipped


def put(root: Path, *names: str, data: bytes = b"x") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def paths(root: Path, rules: Rules = Rules(), skipped: Skipped | None = None) -> list[str]:
    return [os.fsdecode(found.path) for found in walking.walk(root, rules, skipped)]


def test_paths_come_sorted_as_whole_paths(tmp_path: Path) -> None:
    put(tmp_path, "b.jpg", "a/z.jpg", "a.jpg", "a-b/c.jpg", "a/b/c.jpg", "A/x.jpg", "é.jpg")
    found = paths(tmp_path)
    assert found == sorted(found, key=os.fsencode)
    assert len(found) == 7


def test_facts_of_a_file(tmp_path: Path) -> None:
    put(tmp_path, "x.jpg", data=b"12345")
    os.utime(tmp_path / "x.jpg", ns=(1, 1_234_567_890_123_456_789))
    (found,) = walking.walk(tmp_path)
    facts = (tmp_path / "x.jpg").stat()
    assert (found.size, found.mtime_ns, found.inode) == (5, 1_234_567_890_123_456_789, facts.st_ino)


def test_hidden_entries_and_folders_of_other_programs_are_left_alone(tmp_path: Path) -> None:
    put(tmp_path, "x.jpg", ".x.jpg", "@eaDir/x.jpg", ".picasaoriginals/x.jpg", "Thumbs.db", "a.lrdata/x.jpg",
        "#recycle/x.jpg", ".Trash-1000/x.jpg", ".thumbnails/x.jpg")  # fmt: skip
    skipped = Skipped()
    assert paths(tmp_path, skipped=skipped) == ["x.jpg"]
    assert skipped.rules == {"hidden": 4, "previews and trash of other programs": 4}


def test_ignore_files_apply_below_their_folder_and_deeper_ones_win(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "a/2.jpg", "a/b/1.jpg", "a/b/2.jpg", "c/1.jpg", "d/raw/1.jpg", "e/1.jpg")
    (tmp_path / "a/.unlearnignore").write_text("1.jpg\n")
    (tmp_path / "a/b/.ppignore").write_text("!1.jpg\n2.jpg\n")
    (tmp_path / "d/.immichignore").write_text("raw/\n")
    (tmp_path / "e/.nomedia").touch()
    skipped = Skipped()
    assert paths(tmp_path, skipped=skipped) == ["a/2.jpg", "a/b/1.jpg", "c/1.jpg"]
    assert {k: v for k, v in skipped.rules.items() if k != "hidden"} == {
        ".unlearnignore": 1, ".ppignore": 1, ".immichignore": 1, "folders with .nomedia": 1,
    }  # fmt: skip


def test_include_and_exclude(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "a/2.png", "private/1.jpg", "x.txt")
    skipped = Skipped()
    assert paths(tmp_path, Rules(include=("*.jpg",), exclude=("private/",)), skipped) == ["a/1.jpg"]
    assert skipped.rules == {"--include": 2, "--exclude": 1}


def test_a_pattern_that_means_nothing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UnlearnError, match="--exclude: not a pattern"):
        paths(tmp_path, Rules(exclude=("!",)))


def test_links_are_not_followed_unless_asked_and_never_out_of_the_folder(tmp_path: Path) -> None:
    photos, outside = tmp_path / "photos", tmp_path / "outside"
    put(photos, "a/1.jpg", "b/2.jpg")
    put(outside, "secret.jpg")
    (photos / "link").symlink_to(photos / "a")
    (photos / "file.jpg").symlink_to(photos / "b/2.jpg")
    (photos / "out").symlink_to(outside)
    (photos / "broken.jpg").symlink_to(photos / "nothing.jpg")
    skipped = Skipped()
    assert paths(photos, skipped=skipped) == ["a/1.jpg", "b/2.jpg"]
    assert sum(skipped.rules.values()) == 4
    skipped = Skipped()
    assert paths(photos, Rules(follow_links=True), skipped) == ["a/1.jpg", "b/2.jpg", "file.jpg", "link/1.jpg"]
    assert skipped.rules["links that lead out of PHOTOS"] == 1


def test_loops_of_links_end(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "a/b").symlink_to(tmp_path / "b")
    (tmp_path / "b/a").symlink_to(tmp_path / "a")
    skipped = Skipped()
    found = paths(tmp_path, Rules(follow_links=True), skipped)
    assert {"a/1.jpg", "b/1.jpg"} <= set(found)
    assert len(found) == 4
    assert skipped.rules["folders that were reached before (a loop of links)"] >= 2


def test_hard_links_share_their_identity(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    os.link(tmp_path / "a.jpg", tmp_path / "b.jpg")
    first, second = walking.walk(tmp_path)
    assert (first.device, first.inode) == (second.device, second.inode)


def test_names_with_newlines_and_invalid_utf8(tmp_path: Path) -> None:
    names = [b"caf\xe9.jpg", b"new\nline.jpg", b"\x1b[31mred.jpg"]
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name))).write_bytes(b"x")
    (tmp_path / ".unlearnignore").write_text("nothing*\n")
    found = [found.path for found in walking.walk(tmp_path, Rules(include=("*.jpg",)))]
    assert found == sorted(names)


def test_pipes_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    skipped = Skipped()
    assert paths(tmp_path, skipped=skipped) == []
    assert skipped.rules == {"pipes, sockets and devices": 1}


def test_what_vanishes_while_walking_is_no_error(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "b/1.jpg", "c/1.jpg")
    skipped = Skipped()
    iterator = walking.walk(tmp_path, skipped=skipped)
    assert next(iterator).path == b"a/1.jpg"
    (tmp_path / "b/1.jpg").unlink()
    (tmp_path / "b").rmdir()
    assert [found.path for found in iterator] == [b"c/1.jpg"]
    assert skipped.rules == {"vanished while walking": 1}


def test_an_unreadable_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a/1.jpg", "b/1.jpg")
    real = os.scandir

    def scandir(path: bytes) -> object:
        if os.fsdecode(path).endswith("a/"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    skipped = Skipped()
    assert paths(tmp_path, skipped=skipped) == ["b/1.jpg"]
    assert skipped.unreadable == [(b"a/", "Permission denied")]


@pytest.mark.parametrize("name", ["My.photoslibrary", "old.LRLIBRARY"])
def test_libraries_stop_with_the_way_out(tmp_path: Path, name: str) -> None:
    put(tmp_path, f"pictures/{name}/originals/1.jpg", "pictures/x.jpg")
    with pytest.raises(LibraryFound, match="export"):
        paths(tmp_path)
    with pytest.raises(LibraryFound, match="export"):
        paths(tmp_path / "pictures" / name)
    assert paths(tmp_path, Rules(exclude=("*library", "*LIBRARY"))) == ["pictures/x.jpg"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="does not exist") as caught:
        paths(tmp_path / "nowhere")
    assert caught.value.exit_code == 3
    put(tmp_path, "file.jpg")
    with pytest.raises(InputMissing, match="is no folder"):
        paths(tmp_path / "file.jpg")


def test_deep_trees_do_not_exhaust_the_stack(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("x.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    found = [found.size for found in walking.walk(tmp_path)]
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)  # Python's own removal is recursive
    assert found == [0]
