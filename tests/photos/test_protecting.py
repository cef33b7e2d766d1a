"""One photo, from original to protected copy: what is written, what is refused, and what is left untouched."""

import dataclasses
import errno
import os
from pathlib import Path

import numpy as np
import pytest
from archives import photo, protect_one, saved_key
from PIL import Image

from unlearn.photos import keys, leaks, making, originals, placing, protecting
from unlearn.photos.jobs import Job, Setup
from unlearn.photos.keys import KeyFileError
from unlearn.photos.picture import LeftOut


def test_time_and_permissions_are_the_originals_and_the_original_is_untouched(tmp_path: Path, setup: Setup) -> None:
    source = photo(tmp_path / "in/a.jpg")
    source.chmod(0o640)
    os.utime(source, ns=(5, 1_234_567_890_123_456_789))
    before = (source.read_bytes(), source.stat())
    protect_one(setup, "a.jpg")
    facts = (tmp_path / "out/a.jpg").stat()
    assert (facts.st_mtime_ns, facts.st_mode & 0o777) == (1_234_567_890_123_456_789, 0o640)
    after = source.stat()
    assert source.read_bytes() == before[0]
    assert (after.st_mtime_ns, after.st_mode, after.st_ctime_ns) == (
        before[1].st_mtime_ns, before[1].st_mode, before[1].st_ctime_ns,
    )  # fmt: skip


def test_equal_bytes_give_equal_bytes_and_equal_pixels_equal_noise(tmp_path: Path, setup: Setup) -> None:
    source = photo(tmp_path / "in/a.png")
    (tmp_path / "in/b.png").write_bytes(source.read_bytes())
    image = Image.open(source)
    image.save(tmp_path / "in/c.png", dpi=(72, 72), compress_level=1)
    rows = [protect_one(setup, name) for name in ("a.png", "b.png", "c.png")]
    outs = [tmp_path / "out" / name for name in ("a.png", "b.png", "c.png")]
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert outs[0].read_bytes() != outs[2].read_bytes()
    assert (np.asarray(Image.open(outs[0])) == np.asarray(Image.open(outs[2]))).all()
    assert rows[0].pixel_hash == rows[2].pixel_hash


def test_another_key_gives_other_noise(tmp_path: Path, setup: Setup) -> None:
    photo(tmp_path / "in/a.png")
    first = protect_one(setup, "a.png")
    other = saved_key(tmp_path / "other.safetensors", "bob", seed=9)
    known = {**setup.keys, "bob": (str(other), keys.load(other).id)}
    second = protect_one(dataclasses.replace(setup, keys=known), "a.png", subject="bob")
    assert first.out_sha256 != second.out_sha256
    assert first.key_id != second.key_id


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", "damaged", "jpeg"),
        (b"\xff\xd8\xff\xe0 and no more", "damaged", "jpeg"),
        (b"GIF89a" + bytes(50), "left-out", "GIF"),
        (b"II*\0\x10\0\0\0CR" + bytes(50), "left-out", "RAW (CR2)"),
    ],
)
def test_what_cannot_be_protected_says_why(tmp_path: Path, setup: Setup, data: bytes, status: str, words: str) -> None:
    (tmp_path / "in/a.jpg").write_bytes(data)
    row = protect_one(setup, "a.jpg")
    assert row.status == status
    assert words in row.reason
    assert list((tmp_path / "out").iterdir()) == []


def test_unprotected_copies_only_where_asked(tmp_path: Path, setup: Setup) -> None:
    data = photo(tmp_path / "in/whole.jpg").read_bytes()[:-300]
    (tmp_path / "in/a.jpg").write_bytes(data)
    row = protect_one(dataclasses.replace(setup, unprotected="copy"), "a.jpg")
    assert row.status == "copied"
    assert "jpeg" in row.reason
    assert (tmp_path / "out/a.jpg").read_bytes() == data
    assert (tmp_path / "out/a.jpg").stat().st_mtime_ns == (tmp_path / "in/a.jpg").stat().st_mtime_ns


def test_a_photo_that_changes_while_it_is_read_is_not_used(
    tmp_path: Path, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = photo(tmp_path / "in/a.jpg")
    real = originals.check_unchanged

    def changing(handle: int, before: os.stat_result, count: int) -> None:
        with path.open("ab") as file:
            file.write(b"more")
        real(handle, before, count)

    monkeypatch.setattr(originals, "check_unchanged", changing)
    row = protect_one(setup, "a.jpg")
    assert (row.status, row.reason) == ("failed", originals.CHANGED)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_leak_in_what_would_be_written_stops_it(
    tmp_path: Path, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo(tmp_path / "in/a.jpg")
    monkeypatch.setattr(leaks, "scan", lambda data, format: ["a second JPEG at byte 77"])
    row = protect_one(setup, "a.jpg")
    assert row.status == "failed"
    assert "second JPEG" in row.reason
    assert list((tmp_path / "out").iterdir()) == []


def test_noise_beyond_the_budget_is_not_written(tmp_path: Path, setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    photo(tmp_path / "in/a.png")

    def too_much(picture: object, key: object, pixels: bytes, patches: object) -> None:
        picture.pixels[0, 0] ^= 0x7F  # type: ignore[attr-defined]

    monkeypatch.setattr(making.noise, "add", too_much)
    row = protect_one(setup, "a.png")
    assert row.status == "failed"
    assert "levels of 8" in row.reason
    assert list((tmp_path / "out").iterdir()) == []


def test_what_a_decoder_raises_costs_one_photo(tmp_path: Path, setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    photo(tmp_path / "in/a.jpg")
    for error, words in ((MemoryError(), "not enough memory"), (RuntimeError("odd\nthing"), "RuntimeError: odd thing")):

        def fail(*arguments: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(making, "make", fail)
        row = protect_one(setup, "a.jpg")
        assert row.status == "failed"
        assert words in row.reason


def test_a_full_disk_says_stop_and_leaves_nothing(
    tmp_path: Path, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo(tmp_path / "in/a.jpg")

    def full(handle: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(placing.os, "write", full)
    outcome = protecting.protect_file(Job(b"a.jpg", b"a.jpg", subject="everyone"), setup)
    assert outcome.stop
    assert outcome.row.status == "failed"
    assert list((tmp_path / "out").iterdir()) == []


def test_links_in_the_way_are_never_followed(tmp_path: Path, setup: Setup) -> None:
    source = photo(tmp_path / "in/sub/a.jpg")
    clean = source.read_bytes()
    (tmp_path / "out/sub").symlink_to(tmp_path / "in/sub")
    row = protect_one(setup, "sub/a.jpg")
    assert row.status == "failed"
    assert source.read_bytes() == clean
    (tmp_path / "out/sub").unlink()
    (tmp_path / "out/sub").mkdir()
    (tmp_path / "out/sub/a.jpg").symlink_to(source)
    assert protect_one(setup, "sub/a.jpg").status == "protected"
    assert source.read_bytes() == clean
    assert not (tmp_path / "out/sub/a.jpg").is_symlink()


def test_an_original_that_became_a_link_is_not_read(tmp_path: Path, setup: Setup) -> None:
    photo(tmp_path / "elsewhere.jpg")
    (tmp_path / "in/a.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    assert protect_one(setup, "a.jpg").reason == "became a link"
    assert protect_one(dataclasses.replace(setup, follow_links=True), "a.jpg").status == "protected"


def test_pipes_do_not_hang(tmp_path: Path, setup: Setup) -> None:
    os.mkfifo(tmp_path / "in/a.jpg")
    assert protect_one(setup, "a.jpg").status == "failed"


def test_an_output_of_ours_is_not_protected_again(tmp_path: Path, setup: Setup) -> None:
    photo(tmp_path / "in/a.jpg")
    outcome = protecting.protect_file(Job(b"a.jpg", b"a.jpg", subject="everyone"), setup, lambda need: False)
    assert (outcome.row.status, outcome.row.reason) == ("left-out", protecting.OURS)


def test_an_equal_file_uses_the_output_that_is_there(
    tmp_path: Path, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = photo(tmp_path / "in/a.jpg")
    (tmp_path / "in/b.jpg").write_bytes(source.read_bytes())
    first = protect_one(setup, "a.jpg")
    alone = (tmp_path / "out/a.jpg").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(making, "make", lambda *arguments: pytest.fail("was computed again"))
        second = protect_one(setup, "b.jpg", twin=first)
    assert second == dataclasses.replace(
        first, path=b"b.jpg", out_path=b"b.jpg", twin_of=b"a.jpg", mtime_ns=second.mtime_ns
    )
    assert (tmp_path / "out/b.jpg").read_bytes() == alone
    (tmp_path / "out/a.jpg").write_bytes(b"changed by somebody")
    assert protect_one(setup, "b.jpg", twin=first).twin_of is None
    assert (tmp_path / "out/b.jpg").read_bytes() == alone


def test_a_damaged_key_is_no_photos_fault(tmp_path: Path, setup: Setup) -> None:
    photo(tmp_path / "in/a.jpg")
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"no key")
    with pytest.raises(KeyFileError):
        protect_one(dataclasses.replace(setup, keys={"everyone": (str(path), "0")}), "a.jpg")


def test_originals_larger_than_any_photo_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = photo(tmp_path / "a.jpg")
    monkeypatch.setattr(originals, "LARGEST", 100)
    with pytest.raises(LeftOut, match="too large"):
        originals.read(os.fsencode(path))
