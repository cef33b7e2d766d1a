"""`unlearn protect`, `unlearn key` and `unlearn verify` as a user calls them, and the library call behind them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, SOURCE_TREE, unlearn

sys.path.insert(0, str(ROOT / "tests" / "photos"))
import archives

from unlearn import protection
from unlearn.errors import UnlearnError
from unlearn.photos import archive as runs
from unlearn.photos import keys
from unlearn.photos.display import Quiet
from unlearn.protection import Options


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return archives.photos(tmp_path / "in")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return archives.saved_key(tmp_path / "alice.safetensors", "alice")


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs.pool, "outcomes", archives.in_this_process)


def test_protect_verify_and_protect_again(photos: Path, key: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    plan = unlearn("protect", photos, out, "--key", key, "--dry-run")
    assert plan.returncode == 0, plan.stderr
    assert "6 photos found" in plan.stdout
    assert not out.exists()
    done = unlearn("protect", photos, out, "--key", key)
    assert done.returncode == 0, done.stderr
    for words in ("6 photos protected", "PSNR", "noise that survives", "not covered", "next: unlearn verify"):
        assert words in done.stdout
    checked = unlearn("verify", out, "--originals", photos)
    assert (checked.returncode, checked.stdout.strip()) == (0, f"{out}: holds (6 protected)")
    again = unlearn("protect", photos, out, "--key", key, "--quiet")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    (out / "a/000.jpg").write_bytes(b"x")
    broken = unlearn("verify", out, "--json")
    assert broken.returncode == 1
    assert "a/000.jpg" in json.loads(broken.stdout.splitlines()[0])["finding"]
    assert unlearn("verify", out, "--share").returncode == 1


def test_events_for_programs(photos: Path, key: Path, tmp_path: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    log = tmp_path / "events.log"
    done = unlearn("protect", photos, tmp_path / "out", "--key", key, "--json", "--log-file", log)
    assert done.returncode == 1
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["plan", *["file"] * 7, "summary"]
    by_path = {event["path"]: event for event in events if event["event"] == "file"}
    assert by_path["broken.jpg"]["status"] == "damaged"
    assert by_path["broken.jpg"]["reason"]
    assert by_path["a/000.jpg"]["psnr"] > 20
    assert events[-1]["files"]["protected"] == 6
    assert [json.loads(line)["event"] for line in log.read_text().splitlines()] == [e["event"] for e in events]


def test_an_existing_key_needs_no_torch(photos: Path, key: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom unlearn import cli\n"
        f"sys.argv = ['unlearn', 'protect', {str(photos)!r}, {str(tmp_path / 'out')!r}, '--key', {str(key)!r}]\n"
        "if __name__ == '__main__':\n"
        "    try:\n        cli.main()\n    except SystemExit as end:\n        assert not end.code, end.code\n"
        "    heavy = {'torch', 'torchvision', 'datasets', 'accelerate', 'pyarrow'} & set(sys.modules)\n"
        "    sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=SOURCE_TREE)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--intensity", "max"], "'max' is not one of"),
        (["--quality", "0"], "Invalid value for '--quality'"),
        (["--people", "nobody.csv"], "neither"),
        (["--exclude", "!"], "not a pattern"),
    ],
)
def test_usage_errors_leave_with_2(photos: Path, tmp_path: Path, options: list[str], words: str) -> None:
    done = unlearn("protect", photos, tmp_path / "out", *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_every_option_of_the_library_is_an_option_of_the_command() -> None:
    from dataclasses import fields

    from unlearn import cli_photos
    from unlearn.photos.writing import Writing

    known = {field.name for kind in (Options, Writing) for field in fields(kind)} - {"writing"}
    assert {flag.field for flag in cli_photos.FLAGS} == known
    shown = unlearn("protect", "--help").stdout
    assert all(f"--{name.replace('_', '-')}" in shown for name in known - {"keys"})


def test_options_reach_the_run() -> None:
    from unlearn import cli_photos

    options = cli_photos._options(
        {"keys": [Path("k")], "include": None, "metadata": "strip", "quality": 80, "fsync": False, "limit": 3}
    )
    assert options.keys == (Path("k"),)
    assert (options.writing.metadata, options.writing.quality, options.fsync, options.limit) == ("strip", 80, False, 3)
    assert options.include == ()


def test_show_and_list_tell_nothing_secret(key: Path, tmp_path: Path) -> None:
    archives.saved_key(tmp_path / "more/bob.safetensors", "bob", seed=200)
    shown = unlearn("key", "show", key)
    assert shown.returncode == 0
    for words in ("alice", "mid", "8 of 255", keys.load(key).id):
        assert words in shown.stdout
    facts = json.loads(unlearn("key", "show", tmp_path / "more/bob.safetensors", "--json").stdout)
    assert facts["subject"] == "bob"
    secret = keys.load(tmp_path / "more/bob.safetensors").secret.hex()
    assert secret not in json.dumps(facts) + shown.stdout
    listed = unlearn("key", "list", tmp_path)
    assert listed.returncode == 0
    assert [line.split()[1] for line in listed.stdout.splitlines()] == ["alice", "bob"]
    (tmp_path / "more/broken.safetensors").write_bytes(b"x")
    assert unlearn("key", "list", tmp_path).returncode == 1
    assert unlearn("key", "show", tmp_path / "nothing").returncode == 2
    (tmp_path / "empty").mkdir()
    assert unlearn("key", "list", tmp_path / "empty").returncode == 2


def test_several_keys_go_by_subject(photos: Path, key: Path, tmp_path: Path, one_process: None) -> None:
    (photos / "a").rename(photos / "alice")
    (photos / "b").rename(photos / "bob")
    bob = archives.saved_key(tmp_path / "bob.safetensors", "bob", seed=3)
    done = protection.protect(photos, tmp_path / "out", Options(people="folders", keys=(key, bob)))
    assert done.subjects == {"alice": 3, "bob": 3}
    everyone = archives.saved_key(tmp_path / "everyone.safetensors")
    carol = archives.saved_key(tmp_path / "carol.safetensors", "carol", seed=4)
    with pytest.raises(UnlearnError, match=r"no key for the photos of bob \(3\)"):
        protection.protect(photos, tmp_path / "other", Options(people="folders", keys=(key, carol)))
    with pytest.raises(UnlearnError, match="a second key of alice"):
        protection.protect(photos, tmp_path / "other", Options(people="folders", keys=(key, key)))
    assert not (tmp_path / "other").exists()
    done = protection.protect(photos, tmp_path / "third", Options(people="folders", keys=(key, everyone)))
    assert done.subjects == {"alice": 3, "bob": 3}


def test_one_key_protects_everything(photos: Path, key: Path, tmp_path: Path, one_process: None) -> None:
    done = protection.protect(photos, tmp_path / "out", Options(people="folders", keys=(key,)))
    assert done.subjects == {"alice": 6}


@pytest.fixture
def crafting(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, list[Path]]]:
    """Crafting without training: what was asked for, and keys of random noise."""
    from unlearn import album

    asked: list[dict[str, list[Path]]] = []

    def craft(
        subjects: dict[str, list[Path]], intensity: str, work: Path, *more: object, **named: object
    ) -> dict[str, keys.Key]:
        assert intensity == "mid"
        work.mkdir(parents=True)
        (work / "secret.json").write_text("secret")
        asked.append(subjects)
        return {name: archives.key(name, seed) for seed, name in enumerate(subjects)}

    monkeypatch.setattr(album, "craft_keys", craft)
    return asked


def test_missing_keys_are_crafted_once_and_kept(
    photos: Path, tmp_path: Path, one_process: None, crafting: list[dict[str, list[Path]]]
) -> None:
    archives.photo(photos / "Zoë B./1.jpg", 70)
    out = tmp_path / "out"
    done = protection.protect(photos, out, Options(people="folders"))
    assert done.subjects == {"a": 3, "b": 3, "Zoë B.": 1}
    assert {name: len(paths) for name, paths in crafting[0].items()} == {"Zoë B.": 1, "a": 3, "b": 3}
    kept = sorted((out / "keys").iterdir())
    assert len(kept) == 3
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert (out / "keys").stat().st_mode & 0o777 == 0o700
    assert not list(out.rglob("secret.json"))
    before = archives.tree(out)
    archives.photo(photos / "a/new.jpg", 71)
    archives.photo(photos / "carol/1.jpg", 72)
    done = protection.protect(photos, out, Options(people="folders"))
    assert list(crafting[1]) == ["carol"]
    assert done.run == {"protected": 2}
    assert before.items() <= archives.tree(out).items()
    with pytest.raises(UnlearnError, match="is of intensity mid, not high"):
        protection.protect(photos, out, Options(people="folders", intensity="high"))
    assert len(crafting) == 2


def test_keys_are_kept_before_the_first_photo_is_written(
    photos: Path, tmp_path: Path, crafting: list[dict[str, list[Path]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        protection.protect(photos, tmp_path / "out", Options(people="folders"))
    assert len(list((tmp_path / "out/keys").iterdir())) == 2
    assert archives.tree(tmp_path / "out") == {}


def test_a_dry_run_crafts_nothing(photos: Path, tmp_path: Path, crafting: list[dict[str, list[Path]]]) -> None:
    plan = protection.dry_run(photos, tmp_path / "out", Options(people="folders"), Quiet())
    assert plan.crafting == ("a", "b")
    assert plan.seconds
    assert plan.key_seconds
    assert crafting == []
    assert not (tmp_path / "out").exists()


def test_a_table_of_people(
    photos: Path, tmp_path: Path, one_process: None, crafting: list[dict[str, list[Path]]]
) -> None:
    table = tmp_path / "people.csv"
    table.write_text("path,subject\na/000.jpg,Ada\na/002.jpg,Ada\nb/001.jpg,Bob\n")
    done = protection.protect(photos, tmp_path / "out", Options(people=str(table)))
    assert done.subjects == {"Ada": 2, "Bob": 1, "everyone": 3}
    assert list(crafting[0]) == ["Ada", "Bob", "everyone"]
