"""Runs over an archive: mirrored, resumed, repeated and interrupted; always the same bytes, originals as they were."""

import dataclasses
import os
from pathlib import Path

import pytest
from archives import archive, photo, photos, rows, run, saved_key, tree

from unlearn.errors import OutputError
from unlearn.photos import archive as archives
from unlearn.photos import manifest
from unlearn.photos.settings import Archive
from unlearn.photos.walking import Rules
from unlearn.signals import StopRequest

pytestmark = pytest.mark.usefixtures("few_processes")


def test_the_tree_is_mirrored_and_the_originals_are_untouched(settings: Archive) -> None:
    before = tree(settings.photos)
    ended, _ = run(settings)
    assert (ended.exit_code, ended.tally.worked["protected"]) == (0, 6)
    written = tree(settings.out)
    assert set(written) == set(before)
    assert tree(settings.photos) == before
    for name, (digest, mtime) in written.items():
        assert digest != before[name][0]
        assert mtime == before[name][1]
    assert (settings.state / manifest.EXPORT).read_text().count("\n") == 6


def test_the_second_run_does_nothing(settings: Archive) -> None:
    run(settings)
    before = tree(settings.out)
    inodes = {path: path.stat().st_ino for path in settings.out.rglob("*.jpg")}
    ended, _ = run(settings)
    assert (ended.tally.unchanged, ended.tally.worked.total()) == (6, 0)
    assert tree(settings.out) == before
    assert {path: path.stat().st_ino for path in settings.out.rglob("*.jpg")} == inodes


def test_workers_and_order_do_not_change_a_byte(settings: Archive, tmp_path: Path) -> None:
    run(settings)
    other = dataclasses.replace(settings, out=tmp_path / "other", state=tmp_path / "other/.unlearn", workers=1)
    run(other)
    assert tree(other.out) == tree(settings.out)
    first, second = ((s.state / manifest.EXPORT).read_bytes() for s in (settings, other))
    assert first == second


@pytest.mark.parametrize("change", ["content", "new", "touched", "output gone", "output cut", "recipe", "key"])
def test_only_what_changed_is_made_again(settings: Archive, tmp_path: Path, change: str) -> None:
    run(settings)
    one, count = settings.photos / "a/000.jpg", 1
    if change == "content":
        photo(one, 77)
    elif change == "new":
        photo(settings.photos / "new/1.jpg", 78)
    elif change == "touched":
        os.utime(one, (1, 1))
    elif change == "output gone":
        (settings.out / "a/000.jpg").unlink()
    elif change == "output cut":
        (settings.out / "a/000.jpg").write_bytes(b"short")
    elif change == "recipe":
        writing = dataclasses.replace(settings.writing, metadata="strip")
        settings, count = dataclasses.replace(settings, writing=writing), 6
    else:
        other = archive(settings.photos, settings.out, saved_key(tmp_path / "other.safetensors", seed=5))
        settings, count = dataclasses.replace(settings, keys=other.keys), 6
    ended, _ = run(settings)
    assert ended.tally.worked == {"protected": count}
    fresh = dataclasses.replace(settings, out=tmp_path / "fresh", state=tmp_path / "fresh/.unlearn")
    run(fresh)
    assert tree(settings.out) == tree(fresh.out)


def test_check_hash_finds_what_sizes_and_times_hide(settings: Archive) -> None:
    run(settings)
    target = settings.out / "a/000.jpg"
    good, facts = target.read_bytes(), target.stat()
    target.write_bytes(good[:-10] + b"0123456789")
    os.utime(target, ns=(facts.st_mtime_ns, facts.st_mtime_ns))
    assert run(settings)[0].tally.worked.total() == 0
    assert run(dataclasses.replace(settings, check_hash=True))[0].tally.worked == {"protected": 1}
    assert target.read_bytes() == good


def test_originals_that_are_gone_are_named_and_pruned_only_on_request(settings: Archive) -> None:
    run(settings)
    (settings.photos / "a/000.jpg").unlink()
    ended, _ = run(settings)
    assert (ended.tally.vanished, ended.exit_code) == (["a/000.jpg"], 0)
    assert (settings.out / "a/000.jpg").exists()
    ended, _ = run(dataclasses.replace(settings, prune=True))
    assert ended.tally.pruned == 1
    assert not (settings.out / "a/000.jpg").exists()
    assert run(settings)[0].tally.vanished == []


def test_excluded_photos_have_not_vanished(settings: Archive) -> None:
    run(settings)
    ended, _ = run(dataclasses.replace(settings, prune=True), rules=Rules(exclude=("a/",)))
    assert (ended.tally.vanished, ended.tally.pruned) == ([], 0)
    assert (settings.out / "a/000.jpg").exists()


def test_limit_works_on_so_many_and_the_next_run_goes_on(settings: Archive) -> None:
    limited = dataclasses.replace(settings, limit=2)
    assert [run(limited)[0].tally.worked["protected"] for _ in range(4)] == [2, 2, 2, 0]
    assert len(tree(settings.out)) == 6


def test_a_stop_request_ends_with_130_and_the_same_command_goes_on(settings: Archive, tmp_path: Path) -> None:
    photos(settings.photos, 30)
    stop = StopRequest()
    real = archives.Ledger.record

    def record(self: archives.Ledger, *arguments: object) -> None:
        real(self, *arguments)  # type: ignore[arg-type]
        stop.requested = True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archives.Ledger, "record", record)
        ended, _ = run(settings, stop)
    assert ended.exit_code == 130
    assert 0 < ended.tally.worked["protected"] < 12
    assert run(settings)[0].exit_code == 0
    fresh = dataclasses.replace(settings, out=tmp_path / "fresh", state=tmp_path / "fresh/.unlearn")
    run(fresh)
    assert tree(fresh.out) == tree(settings.out)


def test_a_photo_that_became_damaged_keeps_its_protected_copy(settings: Archive) -> None:
    run(settings)
    target = (settings.out / "a/000.jpg").read_bytes()
    source = settings.photos / "a/000.jpg"
    source.write_bytes(source.read_bytes()[:-300])
    ended, _ = run(settings)
    assert (ended.tally.worked, ended.exit_code) == ({"damaged": 1}, 1)
    assert (settings.out / "a/000.jpg").read_bytes() == target
    assert rows(settings)[b"a/000.jpg"].has_output


def test_leftovers_of_dead_runs_are_removed(settings: Archive) -> None:
    run(settings)
    stale = settings.out / "a" / ".unlearn-0123456789abcdef.tmp"
    stale.write_bytes(b"half a photo")
    run(settings)
    assert not stale.exists()


def test_what_is_not_ours_is_not_overwritten(settings: Archive) -> None:
    settings.out.mkdir()
    (settings.out / "mine.txt").write_text("precious")
    with pytest.raises(OutputError, match="holds other files"):
        run(settings)


def test_too_little_space_is_told_before_anything_is_written(
    settings: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "GROWTH", 1e15)
    with pytest.raises(OutputError, match="MB free"):
        run(settings)
    assert not settings.out.exists()
