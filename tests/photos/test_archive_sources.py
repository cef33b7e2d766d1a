"""What lies among the originals: equal files, outputs of ours, other folders, odd files, leftovers."""

import dataclasses
import os
import shutil
from pathlib import Path

import pytest
from archives import photo, rows, run, tree

from unlearn.photos import decisions, protecting
from unlearn.photos.settings import Archive

pytestmark = pytest.mark.usefixtures("few_processes")


def test_photos_that_cannot_be_protected_and_other_files(settings: Archive) -> None:
    (settings.photos / "video.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(500))
    (settings.photos / "text.txt").write_text("hello")
    (settings.photos / "a/000.nef").write_bytes(b"II*\0" + bytes(500))
    broken = settings.photos / "broken.jpg"
    broken.write_bytes((settings.photos / "a/000.jpg").read_bytes()[:-300])
    ended, _ = run(settings)
    assert ended.tally.worked == {"protected": 6, "left-out": 3, "damaged": 1}
    assert ended.exit_code == 1
    assert [path for path, _ in ended.tally.failures] == ["broken.jpg"]
    assert rows(settings)[b"a/000.nef"].reason.startswith("RAW twin of 000.jpg")
    assert len(tree(settings.out)) == 6
    again, _ = run(settings)
    assert (again.tally.unchanged, again.exit_code) == (10, 1)
    copying = dataclasses.replace(settings, unprotected="copy", others="copy")
    ended, _ = run(copying)
    assert (ended.tally.worked, ended.exit_code) == ({"copied": 4}, 0)
    assert (settings.out / "broken.jpg").read_bytes() == broken.read_bytes()
    assert run(copying)[0].tally.unchanged == 10
    assert run(settings)[0].tally.worked == {"left-out": 3, "damaged": 1}
    assert not (settings.out / "video.mp4").exists()


def test_sidecars_follow_their_photos(settings: Archive) -> None:
    takeout = '{"title": "x", "photoTakenTime": {"timestamp": "1"}, "geoData": {"latitude": 3}}'
    (settings.photos / "a/000.jpg.json").write_text(takeout)
    (settings.photos / "a/nobody.jpg.json").write_text(takeout)
    broken = settings.photos / "broken.jpg"
    broken.write_bytes((settings.photos / "a/000.jpg").read_bytes()[:-300])
    (settings.photos / "broken.json").write_text(takeout)
    run(settings)
    assert "geoData" not in (settings.out / "a/000.jpg.json").read_text()
    found = rows(settings)
    assert found[b"a/nobody.jpg.json"].reason == "sidecar without its photo"
    assert found[b"broken.json"].reason == decisions.NO_PHOTO
    photo(broken, 8)
    ended, _ = run(settings)
    assert ended.tally.worked == {"protected": 1, "copied": 1}
    ended, _ = run(dataclasses.replace(settings, sidecars="skip"))
    assert ended.tally.worked == {"left-out": 2}
    assert not (settings.out / "a/000.jpg.json").exists()
    run(dataclasses.replace(settings, sidecars="copy"))
    assert (settings.out / "a/000.jpg.json").read_text() == takeout


def test_equal_files_and_hard_links_are_computed_once(settings: Archive) -> None:
    shutil.copy2(settings.photos / "a/000.jpg", settings.photos / "b/copy.jpg")
    os.link(settings.photos / "a/000.jpg", settings.photos / "z.jpg")
    ended, _ = run(settings)
    assert ended.tally.worked == {"protected": 8}
    found = rows(settings)
    assert [found[name].twin_of for name in (b"b/copy.jpg", b"z.jpg")] == [b"a/000.jpg"] * 2
    bytes_ = {(settings.out / name).read_bytes() for name in ("a/000.jpg", "b/copy.jpg", "z.jpg")}
    assert len(bytes_) == 1
    assert (settings.out / "z.jpg").stat().st_ino != (settings.out / "a/000.jpg").stat().st_ino


def test_a_damaged_first_of_equals_does_not_hold_the_others_back(settings: Archive) -> None:
    data = (settings.photos / "a/000.jpg").read_bytes()
    (settings.photos / "0.jpg").write_bytes(data[:-40] + bytes(40))
    (settings.photos / "zz.jpg").write_bytes(data)
    run(settings)
    assert rows(settings)[b"zz.jpg"].status == "protected"


def test_protected_copies_among_the_originals_are_not_protected_again(settings: Archive) -> None:
    run(settings)
    shutil.copy2(settings.out / "a/000.jpg", settings.photos / "a/000-protected.jpg")
    ended, _ = run(settings)
    assert ended.tally.worked == {"left-out": 1}
    assert rows(settings)[b"a/000-protected.jpg"].reason == protecting.OURS
    assert run(settings)[0].tally.worked.total() == 0


def test_so_it_is_when_both_come_in_the_first_run(settings: Archive, tmp_path: Path) -> None:
    run(settings)
    shutil.copy2(settings.out / "a/000.jpg", settings.photos / "a/0.jpg")
    fresh = dataclasses.replace(settings, out=tmp_path / "fresh", state=tmp_path / "fresh/.unlearn")
    ended, _ = run(fresh)
    assert ended.tally.worked["left-out"] == 1
    assert set(tree(fresh.out)) == set(tree(settings.out))
    assert rows(fresh)[b"a/0.jpg"].reason == protecting.OURS


def test_an_original_that_was_replaced_by_its_protected_copy_stays_protected_once(settings: Archive) -> None:
    run(settings)
    written = (settings.out / "a/000.jpg").read_bytes()
    (settings.photos / "a/000.jpg").write_bytes(written)
    run(settings)
    assert (settings.out / "a/000.jpg").read_bytes() == written
    os.utime(settings.photos / "a/000.jpg", (9, 9))
    run(settings)
    assert (settings.out / "a/000.jpg").read_bytes() == written


def test_photos_of_another_folder_do_not_overwrite_those_in_out(settings: Archive, tmp_path: Path) -> None:
    run(settings)
    before = (settings.out / "a/000.jpg").read_bytes()
    photo(tmp_path / "new/a/000.jpg", 99)
    photo(tmp_path / "new/c/1.jpg", 98)
    new = dataclasses.replace(settings, photos=tmp_path / "new")
    ended, _ = run(new)
    assert ended.tally.worked == {"failed": 1, "protected": 1}
    assert ended.tally.failures == [("a/000.jpg", decisions.ELSEWHERE)]
    assert (settings.out / "a/000.jpg").read_bytes() == before
    assert ended.tally.vanished == []
    assert run(dataclasses.replace(new, moved=True))[0].tally.worked == {"protected": 1}


def test_an_archive_that_moved_is_known_again(settings: Archive, tmp_path: Path) -> None:
    run(settings)
    settings.photos.rename(tmp_path / "elsewhere")
    moved = dataclasses.replace(settings, photos=tmp_path / "elsewhere")
    assert run(moved)[0].tally.unchanged == 6
    photo(tmp_path / "elsewhere/a/000.jpg", 55)
    assert run(moved)[0].tally.worked == {"protected": 1}


def test_a_changed_format_frees_the_old_name(settings: Archive) -> None:
    heif = pytest.importorskip("pillow_heif")
    from PIL import Image

    heif.from_pillow(Image.open(settings.photos / "a/000.jpg")).save(settings.photos / "I.HEIC", quality=80)
    as_jpeg = dataclasses.replace(settings, writing=dataclasses.replace(settings.writing, heic="jpeg"))
    run(as_jpeg)
    assert (settings.out / "I.jpg").exists()
    photo(settings.photos / "I.jpg", 5)
    run(as_jpeg)
    assert sorted(p.name for p in settings.out.glob("I*")) == ["I.heic.jpg", "I.jpg"]
    (settings.photos / "I.jpg").unlink()
    run(dataclasses.replace(as_jpeg, prune=True))
    assert sorted(p.name for p in settings.out.glob("I*")) in (["I.jpg"], ["I.heic.jpg"])
    run(settings)
    assert sorted(p.name for p in settings.out.glob("I*")) == ["I.HEIC"]
    assert rows(settings)[b"I.HEIC"].out_path == b"I.HEIC"
