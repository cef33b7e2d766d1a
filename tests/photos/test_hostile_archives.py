"""Hostile archives: each ends in a clear line and the right exit code, and nothing is lost."""

import json
import os
import struct
import zlib
from pathlib import Path

import pytest
from archives import archive, in_this_process, photo, photos, protect_command, run, tree
from conftest import unlearn

from unlearn.photos import archive as archives
from unlearn.photos import manifest, originals
from unlearn.photos.rows import Row


def rows(out: Path) -> dict[bytes, Row]:
    with manifest.read_only(out / manifest.FOLDER) as found:
        assert found
        return {row.path: row for row in found.rows()}


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb() -> bytes:
    """A PNG of 30,000 x 30,000 pixels in a few bytes."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(9000))) + chunk(b"IEND", b"")
    )


def test_truncated_empty_and_exploding_files(tmp_path: Path, key: Path) -> None:
    photos(tmp_path / "in", 3)
    data = (tmp_path / "in/a/000.jpg").read_bytes()
    (tmp_path / "in/half.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "in/empty.jpg").touch()
    (tmp_path / "in/bomb.png").write_bytes(bomb())
    (tmp_path / "in/noise.jpg").write_bytes(b"\xff\xd8\xff" + os.urandom(5000))
    before = tree(tmp_path / "in")
    done = protect_command(tmp_path)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    for name in ("half.jpg: ", "empty.jpg: ", "noise.jpg: "):
        assert name in done.stdout
    found = rows(tmp_path / "out")
    assert found[b"bomb.png"].status in ("left-out", "damaged")
    assert sorted(name for name in tree(tmp_path / "out")) == ["a/000.jpg", "a/002.jpg", "b/001.jpg"]
    assert tree(tmp_path / "in") == before
    assert unlearn("verify", tmp_path / "out", "--originals", tmp_path / "in").returncode == 0


def test_a_loop_of_folders(tmp_path: Path, key: Path) -> None:
    photos(tmp_path / "in", 2)
    (tmp_path / "in/a/loop").symlink_to(tmp_path / "in")
    done = protect_command(tmp_path, "--follow-links")
    assert done.returncode == 0, done.stderr
    assert len(tree(tmp_path / "out")) == 2


def test_a_file_that_vanishes_while_the_run_goes_on(tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos(tmp_path / "in")
    real = originals.read

    def read(path: bytes, follow_links: bool = False) -> originals.Original:
        if path.endswith(b"b/003.jpg"):
            os.unlink(path)
        return real(path, follow_links)

    monkeypatch.setattr(originals, "read", read)
    monkeypatch.setattr(archives.pool, "outcomes", in_this_process)
    ended, _ = run(archive(tmp_path / "in", tmp_path / "out", key))
    assert ended.exit_code == 1
    assert ended.tally.failures == [("b/003.jpg", "vanished before it could be read")]
    assert ended.tally.worked["protected"] == 5
    monkeypatch.undo()
    monkeypatch.setattr(archives.pool, "outcomes", in_this_process)
    again, _ = run(archive(tmp_path / "in", tmp_path / "out", key))
    assert (again.exit_code, again.tally.vanished) == (0, [])


def test_names_with_newlines_escapes_and_bytes_that_are_no_text(tmp_path: Path, key: Path) -> None:
    names = [
        b"caf\xe9.jpg",
        b"new\nline.jpg",
        b"\x1b[31mred.jpg",
        "日本.jpg".encode(),
        b"-rf.jpg",
        b" .jpg",
        b"\xff/x.jpg",
    ]
    source = photo(tmp_path / "plain.jpg").read_bytes()
    base = os.fsencode(tmp_path / "in")
    for number, name in enumerate(names):
        os.makedirs(os.path.dirname(os.path.join(base, name)), exist_ok=True)
        Path(os.fsdecode(os.path.join(base, name))).write_bytes(source + bytes(number))
    broken = Path(os.fsdecode(os.path.join(base, b"bro\nken\xe9.jpg")))
    broken.write_bytes(b"\xff\xd8\xff")
    done = protect_command(tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 1, done.stderr
    assert "bro\\nken\\xe9.jpg: " in done.stdout
    assert "\x1b" not in done.stdout
    written = {os.path.relpath(os.path.join(f, n), os.fsencode(tmp_path / "out"))
               for f, _, ns in os.walk(os.fsencode(tmp_path / "out")) for n in ns}  # fmt: skip
    assert set(names) <= written
    events = [json.loads(line) for line in protect_command(tmp_path, "--json", "--check-hash").stdout.splitlines()]
    assert events[-1]["event"] == "summary"
    assert unlearn("verify", tmp_path / "out", PYTHONIOENCODING="ascii").returncode == 0


def test_outputs_that_would_collide(tmp_path: Path, key: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    from PIL import Image

    photo(tmp_path / "in/IMG_1.jpg", 1)
    heif.from_pillow(Image.open(photo(tmp_path / "p.png", 2))).save(tmp_path / "in/IMG_1.HEIC", quality=80)
    done = protect_command(tmp_path, "--heic", "jpeg")
    assert done.returncode == 0, done.stderr
    assert sorted(tree(tmp_path / "out")) == ["IMG_1.heic.jpg", "IMG_1.jpg"]
    assert "1 outputs get another name" in done.stdout
    first = tree(tmp_path / "out")
    assert protect_command(tmp_path, "--heic", "jpeg").returncode == 0
    assert tree(tmp_path / "out") == first


def test_out_inside_photos_and_photos_inside_out(tmp_path: Path, key: Path) -> None:
    photos(tmp_path / "in", 1)
    (tmp_path / "link").symlink_to(tmp_path / "in")
    before = tree(tmp_path)
    for source, out in (
        ("in", "in"),
        ("in", "in/out"),
        ("in", "."),
        ("in", "link/a/out"),
        ("link", "in"),
        ("in/a", "in"),
    ):
        done = unlearn("protect", tmp_path / source, tmp_path / out, "--key", key)
        assert done.returncode == 2, (source, out)
        assert "inside" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    done = unlearn("protect", tmp_path / "in", tmp_path / "out", "--key", key, "--state", tmp_path / "in/state")
    assert (done.returncode, "--state lies inside PHOTOS" in done.stderr) == (2, True)
    assert tree(tmp_path) == before


def test_no_photos_and_no_folder(tmp_path: Path, key: Path) -> None:
    (tmp_path / "in").mkdir()
    for _ in range(2):
        done = protect_command(tmp_path)
        assert done.returncode == 3
        assert "no photos in it" in done.stderr
        assert not (tmp_path / "out").exists()
        (tmp_path / "in/letter.txt").write_text("hello")
    done = unlearn("protect", tmp_path / "nowhere", tmp_path / "out", "--key", key)
    assert (done.returncode, done.stderr.strip()) == (3, f"{tmp_path / 'nowhere'}: does not exist")


def test_out_that_is_a_file_and_a_key_that_is_none(tmp_path: Path, key: Path) -> None:
    photos(tmp_path / "in", 1)
    (tmp_path / "out").write_text("precious")
    assert protect_command(tmp_path).returncode == 2
    assert (tmp_path / "out").read_text() == "precious"
    key.write_bytes(b"not a key")
    done = unlearn("protect", tmp_path / "in", tmp_path / "fresh", "--key", key)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert not (tmp_path / "fresh").exists()


def test_a_photo_librarys_package(tmp_path: Path, key: Path) -> None:
    photo(tmp_path / "in/Photos Library.photoslibrary/originals/1.jpg")
    done = protect_command(tmp_path)
    assert done.returncode == 2
    assert "export" in done.stderr


def test_an_unreadable_folder_is_named_and_the_rest_is_done(tmp_path: Path, key: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is unreadable to root")
    photos(tmp_path / "in", 4)
    (tmp_path / "in/a").chmod(0)
    done = protect_command(tmp_path)
    (tmp_path / "in/a").chmod(0o755)
    assert done.returncode == 1
    assert "a/: Permission denied" in done.stdout
