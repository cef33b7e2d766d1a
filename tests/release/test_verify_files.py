"""Rules of `verify` about the folder: record, foreign files, links, checksums, and secrets in texts."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from unlearn.release import tree
from unlearn.release.verify import verify

from .conftest import Make
from .plant import assert_found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Invalid JSON"),
        ("[" * 100_000, "Invalid JSON"),
        ("[]", "release.json"),
        ("{}", "classes: Field required"),
    ],
)
def test_a_damaged_record_is_a_finding(release: Path, text: str, problem: str) -> None:
    (release / "release.json").write_text(text)
    tree.write_sums(release)
    assert_found(release, problem)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"seed": 17}, "seed"),
        ({"clean_sha256": "00"}, "clean_sha256"),
        ({"format": "tar"}, "format tar is none of parquet, imagefolder"),
        ({"splits": {"test": {"samples": 0, "per_class": [0, 0, 0]}}}, "expected train"),
        ({"classes": ["a"]}, "per_class does not fit"),
        ({"epsilon": 4 / 255}, "measured.max_levels: 8, the budget is 4"),
        ({"protected_share": 1.5}, "protected_share"),
    ],
)
def test_a_contradictory_record_is_found(release: Path, changes: dict[str, Any], problem: str) -> None:
    record = json.loads((release / "release.json").read_text()) | changes
    (release / "release.json").write_text(json.dumps(record))
    tree.write_sums(release)
    found = [str(finding) for finding in verify(release)]
    assert any("release.json" in line and problem in line for line in found), found


EXTRA = {
    "perturbation.safetensors": "may be the perturbation",
    "train.safetensors": "may be the perturbation",
    "epoch-3.pt": "checkpoint",
    "mine.key": "may be a key",
    "log.jsonl": "file of a run",
    ".cache/huggingface/x.lock": "cache",
    "__pycache__/x.pyc": "cache",
    ".unlearn/state": "cache",
    "preview.png": "is not part of a release",
    "train/thumbnail.png": "is not part of a release",
    "clean/000000.png": "is not part of a release",
    "data/clean-00000-of-00001.parquet": "is not part of a release",
    "data/train-00000-of-00001.parquet.bak": "is not part of a release",
}


@pytest.mark.parametrize("name", EXTRA)
def test_files_that_do_not_belong_are_found(release: Path, name: str) -> None:
    (release / name).parent.mkdir(parents=True, exist_ok=True)
    (release / name).write_bytes(b"x")
    assert any("is not in SHA256SUMS" in str(f) for f in verify(release))
    tree.write_sums(release)
    assert any(EXTRA[name] in f.problem and f.place.startswith(name.split("/")[0]) for f in verify(release))


def test_a_split_that_is_not_declared_is_found(release: Path) -> None:
    record = json.loads((release / "release.json").read_text())
    del record["splits"]["test"]
    (release / "release.json").write_text(json.dumps(record))
    tree.write_sums(release)
    assert {f.problem for f in verify(release)} == {"is not part of a release"}


def test_links_and_odd_files_are_found(release: Path) -> None:
    (release / "link").symlink_to("/etc/hostname")
    (release / "folder").symlink_to("/etc")
    os.mkfifo(release / "pipe")
    tree.write_sums(release)
    assert_found(release, "link: is a link", "folder: is a link", "pipe: is not a plain file")


def test_a_tools_empty_folder_is_found(release: Path) -> None:
    (release / "data" / ".cache").mkdir(parents=True)
    assert_found(release, "data/.cache: is a cache")


def test_a_file_that_cannot_be_read_is_a_finding(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> str:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(tree.files, "sha256", fail)
    assert "README.md: cannot be read (Input/output error)" in map(str, verify(release))


def test_a_linked_image_is_not_followed(make: Make, tmp_path: Path) -> None:
    folder = make(format="imagefolder")
    picture = folder / "train" / "0-zebra" / "000000.png"
    picture.rename(tmp_path / "000000.png")
    picture.symlink_to(tmp_path / "000000.png")
    found = [str(f) for f in verify(folder)]
    assert "train/0-zebra/000000.png: is a link" in found
    assert "train/metadata.jsonl row 0: 000000.png is a link" in found


SUMS = {
    "wrong": (
        lambda lines: [lines[0].replace(lines[0][:8], "00000000"), *lines[1:]],
        "does not have the SHA-256",
    ),
    "lost": (lambda lines: lines[1:], "is not in SHA256SUMS"),
    "absent file": (lambda lines: [*lines, "0" * 64 + "  zzz.png"], "but not in the folder"),
    "outside": (lambda lines: ["0" * 64 + "  ../x", *lines], "../x: is in SHA256SUMS but not in the folder"),
    "twice": (lambda lines: [lines[0], *lines], "2 times"),
    "order": (lambda lines: lines[::-1], "is not sorted"),
    "noise": (lambda lines: [*lines, "hello"], "is malformed"),
}


@pytest.mark.parametrize("name", SUMS)
def test_wrong_checksums_are_found(release: Path, name: str) -> None:
    change, problem = SUMS[name]
    path = release / "SHA256SUMS"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    assert_found(release, problem)


@pytest.mark.parametrize("name", ["README.md", "SHA256SUMS"])
def test_missing_files_are_found(release: Path, name: str) -> None:
    (release / name).unlink()
    assert f"{name}: is missing" in map(str, verify(release))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("made in /home/anna/unlearn", "absolute path in the text: '/home/anna"),
        ("see file:///x", "file:///x"),
        ("path: 'D:\\anna\\cats'", "'D:"),
        ("from \\\\nas\\photos", "nas"),
        ("from ~/pictures/cats", "home folder in the text: '~/pictures"),
        ("  seed: 17", "'seed:'"),
        ('{"noise_seed": 17}', "noise_seed"),
        ("crafting.seed=17", "seed="),
        ("person_key: 00ff", "person_key:"),
        ("hf_abcdefghijklmnopqrstuvwx", "access token"),
        ("by annabel", "name of this user or machine in the text: 'annabel'"),
    ],
)
def test_secrets_in_the_card_are_found(release: Path, line: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "annabel.example.org")
    card = release / "README.md"
    card.write_text(card.read_text() + line + "\n")
    tree.write_sums(release)
    number = card.read_text().count("\n")
    found = [str(f) for f in verify(release)]
    assert any(f.startswith(f"README.md line {number}: ") and problem in f.replace("\\\\", "\\") for f in found), found


def test_a_name_in_the_checksums_and_the_record_is_found(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "annabel")
    record = json.loads((release / "release.json").read_text())
    record["versions"]["torch"] = "2.13 built by annabel"
    (release / "release.json").write_text(json.dumps(record))
    tree.write_sums(release)
    assert_found(release, "release.json line 1: name of this user or machine")
