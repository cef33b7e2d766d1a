"""`verify` of an archive: it holds as written, and every kind of tampering is one finding."""

import dataclasses
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from archives import archive, in_this_process, photo, photos, run, saved_key
from PIL import Image

from unlearn.errors import OutputError
from unlearn.photos import archive as archives
from unlearn.photos import checking, manifest, verifying
from unlearn.photos.settings import Archive
from unlearn.photos.walking import InputMissing


@pytest.fixture(autouse=True)
def one_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "processes" not in request.node.name:
        monkeypatch.setattr(archives.pool, "outcomes", in_this_process)


@pytest.fixture
def settings(tmp_path: Path) -> Archive:
    made = archive(photos(tmp_path / "in"), tmp_path / "out", saved_key(tmp_path / "key.safetensors"))
    run(made)
    return made


def rewrite(settings: Archive, name: str, data: bytes) -> None:
    """Replace an output and its row's checksum, as an attacker or a bug of ours would."""
    import hashlib

    (settings.out / name).write_bytes(data)
    with manifest.opened(settings.state) as (known, _):
        row = known.get(name.encode())
        assert row
        known.put(dataclasses.replace(row, out_size=len(data), out_sha256=hashlib.sha256(data).digest()))


def test_what_was_written_holds(settings: Archive) -> None:
    proof = verifying.verify(settings.out, originals=settings.photos)
    assert (proof.findings, proof.files) == ([], {"protected": 6})
    assert verifying.verify(settings.out).findings == []


def test_with_processes(settings: Archive) -> None:
    (settings.out / "a/000.jpg").unlink()
    proof = verifying.verify(settings.out, originals=settings.photos, workers=2)
    assert proof.findings == ["a/000.jpg: is missing"]


def test_nothing_is_written(settings: Archive) -> None:
    before = {path: path.stat().st_mtime_ns for path in settings.out.rglob("*")}
    verifying.verify(settings.out, originals=settings.photos)
    assert {path: path.stat().st_mtime_ns for path in settings.out.rglob("*")} == before


def flip(settings: Archive) -> None:
    path = settings.out / "a/000.jpg"
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)


def swap(settings: Archive) -> None:
    (settings.out / "a/000.jpg").unlink()
    (settings.out / "a/000.jpg").symlink_to(settings.photos / "a/000.jpg")


def put_clean(settings: Archive) -> None:
    rewrite(settings, "a/000.jpg", (settings.photos / "a/000.jpg").read_bytes())


def put_stronger(settings: Archive) -> None:
    pixels = np.asarray(Image.open(settings.photos / "a/004.png")).astype(int)
    stream = io.BytesIO()
    Image.fromarray((pixels + 20).clip(0, 255).astype(np.uint8)).save(stream, "PNG")
    rewrite(settings, "a/004.png", stream.getvalue())


def append_clean(settings: Archive) -> None:
    clean = (settings.photos / "a/000.jpg").read_bytes()
    rewrite(settings, "a/000.jpg", (settings.out / "a/000.jpg").read_bytes() + clean)


def other_size(settings: Archive) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (10, 10)).save(stream, "JPEG")
    rewrite(settings, "a/000.jpg", stream.getvalue())


TAMPERING = [
    (flip, "a/000.jpg: is not what was written"),
    (lambda s: (s.out / "a/000.jpg").unlink(), "a/000.jpg: is missing"),
    (lambda s: (s.out / "extra.jpg").write_bytes(b"x"), "extra.jpg: is not in the manifest"),
    (lambda s: (s.out / "a/.unlearn-00.tmp").write_bytes(b"x"), "a/.unlearn-00.tmp: is not in the manifest"),
    (swap, "a/000.jpg: is a link"),
    (put_clean, "a/000.jpg: equals its original"),
    (put_stronger, "a/004.png: its noise reaches"),
    (append_clean, "a/000.jpg: leak:"),
    (other_size, "a/000.jpg: has another size"),
    (lambda s: rewrite(s, "a/000.jpg", b"\xff\xd8\xff"), "a/000.jpg: does not open"),
]


@pytest.mark.parametrize(("tamper", "finding"), TAMPERING, ids=[words for _, words in TAMPERING])
def test_tampering_is_found(settings: Archive, tamper: Callable[[Archive], object], finding: str) -> None:
    tamper(settings)
    findings = verifying.verify(settings.out, originals=settings.photos).findings
    assert findings
    assert any(found.startswith(finding) for found in findings), findings


def test_a_clean_thumbnail_is_found(settings: Archive, tmp_path: Path) -> None:
    piexif = pytest.importorskip("piexif")
    photo(settings.photos / "big.jpg", 1, (640, 480))
    run(settings)
    assert verifying.verify(settings.out).findings == []
    stream = io.BytesIO()
    Image.new("RGB", (160, 120), "red").save(stream, "JPEG")
    planted = io.BytesIO()
    block = piexif.dump({"0th": {}, "1st": {259: 6}, "thumbnail": stream.getvalue()})
    piexif.insert(block, (settings.out / "big.jpg").read_bytes(), planted)
    rewrite(settings, "big.jpg", planted.getvalue())
    findings = verifying.verify(settings.out).findings
    assert [found for found in findings if "big.jpg: leak: " in found and "thumbnail" in found], findings


def test_originals_that_changed_are_told_and_no_finding(settings: Archive) -> None:
    photo(settings.photos / "a/000.jpg", 50)
    (settings.photos / "a/002.jpg").unlink()
    proof = verifying.verify(settings.out, originals=settings.photos)
    assert proof.findings == []
    assert proof.notes == {checking.CHANGED: 1, checking.GONE: 1}


def test_to_share_it_manifest_and_keys_must_be_elsewhere(settings: Archive, tmp_path: Path) -> None:
    (settings.out / "keys").mkdir()
    findings = verifying.verify(settings.out, share=True).findings
    assert [found.partition(":")[0] for found in findings] == [".unlearn", "keys"]
    shutil.move(settings.state, tmp_path / "state")
    (settings.out / "keys").rmdir()
    assert verifying.verify(settings.out, tmp_path / "state", share=True).findings == []


def test_copies_are_compared_but_not_searched(settings: Archive) -> None:
    (settings.photos / "v.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + b"\xff\xd8\xff" * 100)
    run(dataclasses.replace(settings, others="copy"))
    proof = verifying.verify(settings.out)
    assert (proof.findings, proof.files) == ([], {"protected": 6, "copied": 1})
    (settings.out / "v.mp4").write_bytes(b"other")
    assert verifying.verify(settings.out).findings == ["v.mp4: is not what was written (size or SHA-256)"]


def test_what_a_killed_run_wrote_last_is_read_too(settings: Archive) -> None:
    """Rows of a killed run are in SQLite's log, beside the database."""
    photo(settings.photos / "late.jpg", 40)
    copied = settings.out.with_name("killed")
    with manifest.opened(settings.state) as (known, _):
        row = known.get(b"a/000.jpg")
        assert row
        known.put(dataclasses.replace(row, path=b"z.jpg", out_path=b"z.jpg"))
        known.commit()
        shutil.copytree(settings.out, copied)
    shutil.copy2(copied / "a/000.jpg", copied / "z.jpg")
    assert verifying.verify(copied).findings == []


def test_no_archive_and_no_originals(settings: Archive, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no protected archive"):
        verifying.verify(tmp_path / "in")
    with pytest.raises(InputMissing):
        verifying.verify(settings.out, originals=tmp_path / "nothing")
    (settings.state / manifest.NAME).write_bytes(os.urandom(5000))
    with pytest.raises(OutputError, match="damaged"):
        verifying.verify(settings.out)
