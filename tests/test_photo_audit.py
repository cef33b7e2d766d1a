"""The audit of an archive: what it trains on, its controls and channels, per-subject rows, and what it refuses."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, SOURCE_TREE, unlearn
from PIL import Image
from safetensors.torch import save_file

from unlearn import photo_audit, photo_pairs, pretrained, protection, training
from unlearn.audit.plan import AuditPlan
from unlearn.errors import DataError
from unlearn.photos import keys
from unlearn.photos.keys import Key
from unlearn.photos.options import Options
from unlearn.settings import SGD, Training

PLAN = AuditPlan(
    victims=("small_cnn",),
    seeds=1,
    training=Training(epochs=12, batch_size=8, sgd=SGD(lr=0.05, clip=1.0), augment=("flip",)),
    by_class=True,
)
HUES = {"ann": (200, 60, 60), "bob": (60, 200, 60)}


def album(folder: Path, count: int = 10, seed: int = 0) -> Path:
    """Two subjects whose photos differ in hue: learned in a few epochs."""
    generator = np.random.default_rng(seed)
    for name, hue in HUES.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            coarse = generator.normal(hue, 25, (5, 7, 3)).clip(0, 255).astype(np.uint8)
            shown = Image.fromarray(coarse).resize((96, 64), Image.Resampling.BICUBIC)
            shown.save(folder / name / f"{i}.jpg", quality=92)
    return folder


def random_key(folder: Path, name: str, levels: int = 6) -> Path:
    generator = np.random.default_rng(len(name) + ord(name[0]))
    delta = generator.integers(-levels * 256, levels * 256 + 1, (1, 3, 16, 16)).astype(np.int16)
    path = folder / f"{name}.safetensors"
    keys.save(path, Key(name, delta, levels / 255, "mid", bytes(32), ""))
    return path


@pytest.fixture
def archive(tmp_path: Path) -> tuple[Path, Path]:
    photos, out = album(tmp_path / "photos"), tmp_path / "out"
    mine = tuple(random_key(tmp_path, name) for name in HUES)
    protection.protect(photos, out, Options(people="folders", keys=mine, workers=1))
    return photos, out


def test_rows_controls_channels_and_subjects(archive: tuple[Path, Path], tmp_path: Path) -> None:
    photos, out = archive
    results = photo_audit.audit(out, photos, tmp_path / "audit", PLAN, side=16)
    assert {(row["train_on"], row["defense"]) for row in results["rows"]} == {
        (train_on, channel) for train_on in ("clean", "random", "protected") for channel in photo_audit.CHANNELS
    }
    assert results["photos"] == {"train": 14, "test": 6, "subjects": 2}
    assert set(results["rows"][0]["class_accuracy"]) == set(HUES)
    assert results["chance"] == 0.5
    assert results["summary"]["clean"] >= 0.8
    written = json.loads((tmp_path / "audit" / "results.json").read_text())
    assert written["summary"]["worst_defense"] in photo_audit.CHANNELS
    page = (tmp_path / "audit" / "report.html").read_text()
    assert "Class by class" in page
    assert "half + jpeg-75" in page
    assert "data:image" not in page  # no photo unless asked for
    assert str(tmp_path) not in page


def reading(archive: tuple[Path, Path], folder: Path, *further: str) -> subprocess.CompletedProcess[str]:
    photos, out = archive
    strangers = album(folder / "others", 4, seed=1)
    command = [sys.executable, str(ROOT / "scripts" / "photos" / "reading.py"), str(out), str(photos)]
    command += ["--test", str(strangers), "--seeds", "1", "--side", "16", *further]
    return subprocess.run(command, capture_output=True, text=True, env=SOURCE_TREE, timeout=200)


def test_how_fast_keys_are_read(archive: tuple[Path, Path], tmp_path: Path) -> None:
    """Photos of two hues are read as they are; dealt at random, only strong keys can tell them apart."""
    told = tmp_path / "told.json"
    done = reading(archive, tmp_path, "--keys", str(tmp_path), "--epochs", "8", "--json", str(told))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split()[0] == "1"
    found = json.loads(told.read_text())
    assert (found["people"], found["photos"], found["test"], found["seeds"]) == (2, 20, 8, 1)
    assert len(found["keys read"]["train"]) == len(found["photos read"]["test"]) == 8
    assert max(found["photos read"]["test"]) >= 0.9


def test_keys_that_are_not_there(archive: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    done = reading(archive, tmp_path, "--keys", str(tmp_path / "none"))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("no key of ann, bob")


def test_photos_stand_in_the_report_only_if_asked_for(archive: tuple[Path, Path], tmp_path: Path) -> None:
    photos, out = archive
    few = dataclasses.replace(PLAN, training=dataclasses.replace(PLAN.training, epochs=1))
    photo_audit.audit(out, photos, tmp_path / "audit", few, side=16, report_images=True)
    assert "data:image" in (tmp_path / "audit" / "report.html").read_text()


def test_training_photos_are_the_files_that_were_written(archive: tuple[Path, Path]) -> None:
    photos, out = archive
    found = photo_pairs.split(photo_pairs.pairs(out, photos))
    assert not {pair.original for pair in found.train} & {pair.original for pair in found.test}
    made = photo_audit.subjects_by_channel(found, 16, photo_audit.Silent())
    first = made["none"]
    with Image.open(found.train[0].protected) as image:
        expected = image.convert("RGB").resize((16, 16), Image.Resampling.BOX, reducing_gap=3.0)
    assert np.array_equal(first.protected["protected"][0], np.asarray(expected).transpose(2, 0, 1))
    for changed in (first.protected["protected"], first.random):
        assert changed is not None
        difference = np.abs(changed.astype(int) - first.clean.images)
        assert 0 < difference.mean() < 8
    assert not np.array_equal(made["jpeg-75"].clean.images, first.clean.images)
    assert np.array_equal(made["jpeg-75"].test.images, first.test.images)


def test_photos_from_outside_test_all_of_the_archive(archive: tuple[Path, Path], tmp_path: Path) -> None:
    photos, out = archive
    fresh = album(tmp_path / "fresh", count=3)
    (fresh / "ann").rename(fresh / "zoe")
    with pytest.raises(DataError, match=r"photos of 1 of the archive's subjects.*folders bob, zoe, and in the archive"):
        photo_pairs.against(photo_pairs.pairs(out, photos), fresh)
    (fresh / "zoe").rename(fresh / "ann")
    results = photo_audit.audit(out, photos, tmp_path / "audit", PLAN, side=16, test=fresh)
    assert results["photos"] == {"train": 20, "test": 6, "subjects": 2}
    assert results["rows"][0]["train_on"] == "clean"
    assert results["rows"][0]["clean_test_accuracy"] > 0.9


def test_outside_photos_must_be_outside(archive: tuple[Path, Path]) -> None:
    photos, out = archive
    found = photo_pairs.pairs(out, photos)
    with pytest.raises(DataError, match=r"jpg: is in the archive; --test names photos that were not protected"):
        photo_pairs.against(found, photos)
    with pytest.raises(DataError, match=r"nowhere: no such folder; --test names one with a folder of clean photos"):
        photo_pairs.against(found, photos / "nowhere")


def test_the_plan_says_the_precision(archive: tuple[Path, Path], tmp_path: Path) -> None:
    photos, out = archive
    quick = dataclasses.replace(PLAN, training=dataclasses.replace(PLAN.training, epochs=1))
    for asked, used in ((None, "float32"), ("bfloat16", "bfloat16")):
        plan = dataclasses.replace(quick, precision=asked)
        assert photo_audit.audit(out, photos, tmp_path / used, plan, side=16)["machine"]["precision"] == used


@pytest.mark.parametrize(("option", "value"), [("--test", "photos"), ("--side", "128")])
@pytest.mark.parametrize("more", [(), ("--against", "matching", "--originals", "photos")])
def test_options_for_archives_and_training(tmp_path: Path, option: str, value: str, more: tuple[str, ...]) -> None:
    done = unlearn("audit", tmp_path, option, value, *more)
    assert done.returncode == 2
    assert done.stderr.strip().endswith(
        f"{option} is for archives and training: --originals names the photos that the archive was made from"
    )
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_finished_audit_is_not_run_again(archive: tuple[Path, Path], tmp_path: Path) -> None:
    photos, out = archive
    first = photo_audit.audit(out, photos, tmp_path / "audit", PLAN, side=16)
    again = photo_audit.audit(out, photos, tmp_path / "audit", PLAN, side=16)
    assert first["rows"] == again["rows"]  # seconds included


def test_photos_are_detected_as_they_were_shared(archive: tuple[Path, Path], tmp_path: Path) -> None:
    """Once, and not for each channel again."""
    photos, out = archive
    plan = dataclasses.replace(PLAN, detection=True, training=dataclasses.replace(PLAN.training, epochs=1))
    results = photo_audit.audit(out, photos, tmp_path / "audit", plan, side=16)
    places = [(row["detector"], row["train_on"]) for row in results["detection"]]
    assert len(places) == len(set(places)) == 6
    assert len(list((tmp_path / "audit" / "cells").iterdir())) == len(results["rows"]) + 6


def test_one_subject_cannot_be_audited(tmp_path: Path) -> None:
    photos, out = album(tmp_path / "photos"), tmp_path / "out"
    protection.protect(photos, out, Options(keys=(random_key(tmp_path, "ann"),), workers=1))
    with pytest.raises(DataError, match=r"two subjects with at least 4 photos each, this archive has 1"):
        photo_audit.audit(out, photos, tmp_path / "audit", PLAN)
    assert not (tmp_path / "audit").exists()


def test_the_command_says_in_one_line_what_is_wrong(archive: tuple[Path, Path], tmp_path: Path) -> None:
    photos, out = archive
    for arguments, message in (
        ((photos, "--originals", photos), "not an archive of unlearn protect"),
        ((out, "--originals", tmp_path / "nowhere"), "--originals names the folder that was protected"),
    ):
        done = unlearn("audit", *arguments, "--out", tmp_path / "audit", "--device", "cpu")
        assert done.returncode == 2
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert not (tmp_path / "audit").exists()


def test_victims_may_start_from_weights(archive: tuple[Path, Path], tmp_path: Path) -> None:
    photos, out = archive
    donor = training.build("small_cnn", 7, (3, 16, 16), seed=5)
    save_file({name: tensor.contiguous() for name, tensor in donor.state_dict().items()}, tmp_path / "w.safetensors")
    started = dataclasses.replace(PLAN, weights=str(tmp_path / "w.safetensors"))
    scratch = photo_audit.audit(out, photos, tmp_path / "audit", PLAN, side=16)
    tuned = photo_audit.audit(out, photos, tmp_path / "audit", started, side=16)
    curves = [[row["curve"]["test"] for row in results["rows"]] for results in (scratch, tuned)]
    assert curves[0] != curves[1]


def test_weights_fill_in_what_fits(tmp_path: Path) -> None:
    donor = training.build("small_cnn", 7, (3, 16, 16), seed=5)
    save_file({name: tensor.contiguous() for name, tensor in donor.state_dict().items()}, tmp_path / "w")
    network = training.build("small_cnn", 2, (3, 16, 16), seed=0)
    anew = pretrained.load(network, tmp_path / "w")
    assert len(anew) == 2  # the head's weight and bias
    first = next(iter(network.state_dict()))
    assert torch.equal(network.state_dict()[first], donor.state_dict()[first])


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    network = training.build("small_cnn", 2, (3, 16, 16), seed=0)
    (tmp_path / "text").write_text("no weights")
    save_file({"other": torch.zeros(3)}, tmp_path / "other")
    broken = {name: torch.full_like(tensor, float("nan")) if tensor.is_floating_point() else tensor
              for name, tensor in network.state_dict().items()}  # fmt: skip
    save_file({name: tensor.contiguous() for name, tensor in broken.items()}, tmp_path / "nan")
    for name, message in (("text", "not a readable"), ("other", "weights of another network; 0 of"), ("nan", "finite")):
        with pytest.raises(DataError, match=message):
            pretrained.load(network, tmp_path / name)
