"""The manifest: what is kept survives kills and odd names, one process at a time, and the export tells no secrets."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import SOURCE_TREE

from unlearn.errors import OutputError
from unlearn.photos import manifest as manifests
from unlearn.photos.rows import COLUMNS, Row, shown

ODD = b"caf\xe9/new\nline\x1b.jpg"


def row(path: bytes, **facts: object) -> Row:
    values = {"out_path": path, "out_size": 3, "out_sha256": b"o" * 32, "sha256": b"s" * 32, "pixel_hash": b"p" * 32}
    return Row(path, "protected", **{**values, "subject": "alice", "source": 1, **facts})  # type: ignore[arg-type]


def test_a_row_comes_back_as_it_was(tmp_path: Path) -> None:
    with manifests.opened(tmp_path / "state") as (manifest, notes):
        manifest.put(row(ODD, psnr=34.5, kept=0.9, dropped='{"gps": 1}'))
        assert manifest.get(ODD) == row(ODD, psnr=34.5, kept=0.9, dropped='{"gps": 1}')
        assert manifest.get(b"nothing") is None
    assert notes == []


def test_rows_come_sorted_by_bytes(tmp_path: Path) -> None:
    with manifests.opened(tmp_path) as (manifest, _):
        for path in (b"b", b"a/z", b"\xff", b"B", b"a"):
            manifest.put(row(path))
        assert [found.path for found in manifest.rows()] == [b"B", b"a", b"a/z", b"b", b"\xff"]


def test_the_schema_has_every_column_and_a_version(tmp_path: Path) -> None:
    with manifests.opened(tmp_path) as (manifest, _):
        columns = [name for (name,) in manifest.ask("SELECT name FROM pragma_table_info('file')")]
        assert sorted(columns) == sorted(COLUMNS)
        assert manifest.ask("PRAGMA user_version") == [(manifests.VERSION,)]
        assert manifest.ask("PRAGMA journal_mode") == [("wal",)]
        assert {"run", "file", "face", "source"} <= {n for (n,) in manifest.ask("SELECT name FROM sqlite_master")}


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    with manifests.opened(tmp_path / "state") as (manifest, _):
        manifest.export(tmp_path / "state" / manifests.EXPORT)
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o077 for p in (tmp_path / "state").iterdir()} == {0}


def test_rows_are_committed_every_hundred_and_every_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with manifests.opened(tmp_path) as (manifest, _):
        other = sqlite3.connect(tmp_path / manifests.NAME)

        def seen() -> int:
            return int(other.execute("SELECT count(*) FROM file").fetchone()[0])

        manifest.commit()
        for number in range(99):
            manifest.put(row(b"%d" % number))
        assert seen() == 0
        manifest.put(row(b"99"))
        assert seen() == 100
        manifest.put(row(b"100"))
        assert seen() == 100
        monkeypatch.setattr(manifest, "committed", time.monotonic() - 2)
        manifest.put(row(b"101"))
        assert seen() == 102
        other.close()


def test_a_kill_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom unlearn.photos import manifest\n"
        "from unlearn.photos.rows import Row\n"
        "with manifest.opened(Path(sys.argv[1])) as (m, _):\n"
        "    [m.put(Row(b'%d' % i, 'failed')) for i in range(250)]\n"
        "    print('written', flush=True)\n    time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, env=SOURCE_TREE)
    assert process.stdout
    assert process.stdout.readline() == b"written\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with manifests.opened(tmp_path) as (manifest, _):
        assert manifest.ask("SELECT count(*) FROM file")[0][0] in range(200, 251)


def test_a_second_process_is_refused_with_the_name_of_the_first(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from unlearn.photos import manifest\nfrom unlearn.errors import OutputError\n"
        "try:\n    with manifest.opened(Path(sys.argv[1])): print('opened')\n"
        "except OutputError as error: print(error)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with manifests.opened(tmp_path):
        refused = subprocess.run(command, capture_output=True, text=True, env=SOURCE_TREE, check=True).stdout
        assert "another process is at work" in refused
        assert str(os.getpid()) in refused
    assert subprocess.run(command, capture_output=True, text=True, env=SOURCE_TREE).stdout == "opened\n"


def test_a_damaged_database_is_put_aside(tmp_path: Path) -> None:
    with manifests.opened(tmp_path) as (manifest, _):
        for number in range(2000):
            manifest.put(row(b"%05d" % number))
    path = tmp_path / manifests.NAME
    data = bytearray(path.read_bytes())
    data[4096 : len(data) // 2] = os.urandom(len(data) // 2 - 4096)
    path.write_bytes(data)
    with manifests.opened(tmp_path) as (manifest, notes):
        assert "damaged" in notes[0]
        assert manifest.ask("SELECT count(*) FROM file") == [(0,)]
    assert len(list(tmp_path.glob(f"{manifests.NAME}.damaged-*"))) == 1


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    with manifests.opened(tmp_path) as (manifest, _):
        manifest.connection.execute("PRAGMA user_version = 99")
    with pytest.raises(OutputError, match="newer version"), manifests.opened(tmp_path):
        pass


def test_a_row_takes_over_the_output_of_another(tmp_path: Path) -> None:
    with manifests.opened(tmp_path) as (manifest, _):
        manifest.put(row(b"IMG_1.HEIC", out_path=b"IMG_1.jpg"))
        manifest.put(row(b"IMG_1.jpg"))
        assert manifest.owner(b"IMG_1.jpg") == b"IMG_1.jpg"
        assert manifest.get(b"IMG_1.HEIC") is None


def test_reading_only_writes_nothing(tmp_path: Path) -> None:
    with manifests.opened(tmp_path) as (manifest, _):
        manifest.put(row(b"a"))
    before = {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    with manifests.read_only(tmp_path) as manifest:
        assert manifest
        assert manifest.get(b"a") == row(b"a")
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == before
    with manifests.read_only(tmp_path / "nothing") as nothing:
        assert nothing is None


def test_the_export_has_paths_for_people_and_programs(tmp_path: Path) -> None:
    import base64

    with manifests.opened(tmp_path / "state") as (manifest, _):
        manifest.put(row(ODD))
        manifest.put(row(b"a.jpg"))
        manifest.export(tmp_path / "out.jsonl")
    first, second = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert first["path"] == "a.jpg"
    assert base64.b64decode(second["path_b64"]) == ODD
    assert second["path"] == "caf\\xe9/new\\nline\\x1b.jpg"
    assert first["sha256"] == (b"s" * 32).hex()
    assert str(tmp_path) not in (tmp_path / "out.jsonl").read_text()


def test_a_redacted_export_names_nobody(tmp_path: Path) -> None:
    with manifests.opened(tmp_path / "state") as (manifest, _):
        manifest.put(row(b"alice/wedding.jpg", reason="because of alice", twin_of=b"alice/2.jpg", psnr=30.0))
        manifest.export(tmp_path / "out.jsonl", redact=True)
    text = (tmp_path / "out.jsonl").read_text()
    assert not [word for word in ("alice", "wedding", (b"s" * 32).hex(), (b"p" * 32).hex()) if word in text]
    assert json.loads(text)["path"] == "000001.jpg"
    assert json.loads(text)["psnr"] == 30.0


def test_runs_are_noted(tmp_path: Path) -> None:
    with manifests.opened(tmp_path) as (manifest, _):
        number = manifest.begin("1.0", {"pillow": "12"}, "{}", b"h", ["k"])
        manifest.finish(number, 130)
        ((version, libraries, code, finished),) = manifest.ask(
            "SELECT version, libraries, exit_code, finished_ns FROM run"
        )
        assert (version, json.loads(libraries), code) == ("1.0", {"pillow": "12"}, 130)
        assert finished


def test_names_are_shown_without_what_a_terminal_obeys() -> None:
    assert shown(b"a\x1b[31m\r\nb") == "a\\x1b[31m\\r\\nb"
    assert shown("é.jpg".encode()) == "é.jpg"
