"""Mistakes a new user makes: one clear line, exit code 2, and nothing written."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, make_dataset, unlearn
from PIL import Image

EMBEDDED = (
    "~data.path",
    "~data.expects",
    "data.source=embedded",
    "data.train_samples=40",
    "data.test_samples=30",
)


def image_folder(root: Path, classes: int = 2, splits: tuple[str, ...] = ("train", "test"), samples: int = 4) -> Path:
    data = make_dataset(classes * samples, classes=max(classes, 2))
    for split in splits:
        for i in range(classes * samples):
            folder = root / split / f"class{i % classes}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(data.images[i].transpose(1, 2, 0)).save(folder / f"{i}.png")
    return root


def refused(tmp_path: Path, *arguments: object) -> str:
    """The one line of a command that must leave with 2 and write nothing."""
    out = tmp_path / "out"
    done = unlearn(*arguments, "--out", out, cwd=tmp_path)
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert not out.exists()
    lines = done.stderr.strip().splitlines()
    assert lines
    return done.stderr.strip()


def one_line(tmp_path: Path, *arguments: object) -> str:
    text = refused(tmp_path, *arguments)
    assert len(text.splitlines()) == 1, text
    return text


def test_unknown_recipe(tmp_path: Path) -> None:
    assert "did you mean demo?" in one_line(tmp_path, "craft", "dmeo")


def test_misspelt_key(tmp_path: Path) -> None:
    assert "did you mean epsilon?" in one_line(tmp_path, "craft", "demo", "epsilonn=8/255")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["epsilon=2"], 'override "epsilon=2": epsilon: should be less than or equal to 1, got 2'),
        (["epsilon=0"], "should be greater than or equal to 1/255, got 0"),
        (["~epsilonn"], "there is no epsilonn to remove; did you mean epsilon?"),
        (["=3"], "expected key=value"),
        (["method.=3"], "expected key=value"),
        (["data.fit={height: 200000, width: 32}"], "data.fit.height: should be less than or equal to 8192, got 200000"),
        (["--data", ""], "--data is empty"),
        (["--device", "cuda"], "--device cuda: torch sees no CUDA device here; there are: auto, cpu"),
    ],
)
def test_words_of_the_command_line_are_named(words: list[str], said: str, tmp_path: Path) -> None:
    if "cuda" in words and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    assert said in one_line(tmp_path, "craft", "cifar10-small", *words)


def test_absent_keys_may_be_removed() -> None:
    assert unlearn("validate", "demo", "~data.path", "~nothing").returncode == 0


@pytest.mark.parametrize("words", [("--device", "gpu"), ("--checkpoint-every", "-1"), ("--checkpoint-every", "nan")])
def test_options_out_of_range(words: tuple[str, str], tmp_path: Path) -> None:
    assert words[0] in refused(tmp_path, "craft", "demo", *words)


def test_recipes_beside_one_are_validated_too() -> None:
    done = unlearn("validate", "demo", "beside=[nope]")
    assert done.returncode == 2
    assert 'recipe "nope" does not exist' in done.stderr


def test_a_release_without_its_test_split_names_the_way_out(tmp_path: Path) -> None:
    image_folder(tmp_path / "set", splits=("train",))
    words = ("~data.path", "~data.expects", "data.source=imagefolder", f"data.path={tmp_path / 'set'}")
    assert unlearn("craft", "random", *words, "--out", tmp_path / "run").returncode == 0
    text = one_line(tmp_path, "release", tmp_path / "run")
    assert "--no-test leaves the test split out" in text
    assert unlearn("release", tmp_path / "run", "--no-test", "--out", tmp_path / "release").returncode == 0


def test_a_copy_that_cannot_be_made_names_its_own_file(tmp_path: Path) -> None:
    done = unlearn("cp", "demo", tmp_path / "absent" / "mine.yaml")
    assert (done.returncode, done.stderr.strip()) == (2, f"{tmp_path / 'absent' / 'mine.yaml'}: cannot be created here")


def test_an_output_folder_inside_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = unlearn("craft", "random", *EMBEDDED, "--out", tmp_path / "file" / "out")
    assert (done.returncode, done.stderr.strip()) == (
        2,
        f"{tmp_path / 'file' / 'out'}: cannot be created inside a file",
    )


def test_several_errors_are_all_shown(tmp_path: Path) -> None:
    text = refused(tmp_path, "craft", "demo", "epsilonn=8/255", "rows=all", "method.pgd.steps=ten")
    assert text.splitlines()[-1] == "3 problems, nothing was run"
    assert len(text.splitlines()) == 4


@pytest.mark.parametrize("epsilon", ["3", "-1", "eight"])
def test_impossible_budget(tmp_path: Path, epsilon: str) -> None:
    assert "epsilon: " in one_line(tmp_path, "craft", "demo", f"epsilon={epsilon}")


def folder_recipe(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text("method: em\ndata: {source: imagefolder, path: photos}\nsurrogate: {network: small_cnn}\n")
    return path


def test_missing_folder(tmp_path: Path) -> None:
    assert "photos" in one_line(tmp_path, "craft", folder_recipe(tmp_path))


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    assert "photos" in one_line(tmp_path, "craft", folder_recipe(tmp_path))


def test_folder_of_text_files(tmp_path: Path) -> None:
    folder = tmp_path / "photos" / "train" / "cats"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("no image")
    assert "photos" in one_line(tmp_path, "craft", folder_recipe(tmp_path))


def test_truncated_png(tmp_path: Path) -> None:
    image_folder(tmp_path / "photos")
    victim = tmp_path / "photos" / "train" / "class0" / "0.png"
    victim.write_bytes(victim.read_bytes()[:200])
    assert "0.png: not a readable image" in one_line(tmp_path, "craft", folder_recipe(tmp_path))


def test_text_named_png(tmp_path: Path) -> None:
    image_folder(tmp_path / "photos")
    (tmp_path / "photos" / "train" / "class0" / "0.png").write_text("no image at all")
    assert "0.png: not a readable image" in one_line(tmp_path, "craft", folder_recipe(tmp_path))


def test_one_class_only(tmp_path: Path) -> None:
    image_folder(tmp_path / "photos", classes=1)
    assert "one class only (class0)" in one_line(tmp_path, "craft", folder_recipe(tmp_path))


def test_mixed_sizes_are_a_decision(tmp_path: Path) -> None:
    image_folder(tmp_path / "photos")
    Image.new("RGB", (20, 30)).save(tmp_path / "photos" / "train" / "class0" / "odd.png")
    assert "data.fit={height: 16, width: 16, how: crop|stretch|pad}" in one_line(
        tmp_path, "craft", folder_recipe(tmp_path)
    )


def npz_recipe(tmp_path: Path, **arrays: np.ndarray) -> Path:
    np.savez(tmp_path / "data.npz", **arrays)
    path = tmp_path / "mine.yaml"
    path.write_text("method: random\ndata: {source: npz, path: data.npz}\nsurrogate: {network: small_cnn}\n")
    return path


def test_labels_out_of_range(tmp_path: Path) -> None:
    images = make_dataset(8).images.transpose(0, 2, 3, 1)
    recipe = npz_recipe(tmp_path, train_images=images, train_labels=np.array([0, 1, 2, -4, 1, 2, 0, 1]))
    assert "train_images[3]: label -4 is negative" in one_line(tmp_path, "craft", recipe)
    labels = np.array([0, 1, 2, 0, 1, 9, 0, 1])
    recipe = npz_recipe(tmp_path, train_images=images, train_labels=labels, names=np.array(["a", "b", "c"]))
    assert "label 9 is out of range 0..2" in one_line(tmp_path, "craft", recipe)


def test_missing_test_split(tmp_path: Path) -> None:
    image_folder(tmp_path / "photos", splits=("train",))
    recipe = folder_recipe(tmp_path)
    run = tmp_path / "run"
    assert unlearn("craft", recipe, "method=random", "--out", run, cwd=tmp_path).returncode == 0
    assert 'split "test" is missing' in one_line(tmp_path, "audit", run)


def test_output_folder_that_is_not_empty(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("precious")
    done = unlearn("craft", "random", *EMBEDDED, "--out", full)
    assert (done.returncode, "exists and is not empty" in done.stderr) == (2, True)
    assert [p.name for p in full.iterdir()] == ["mine.txt"]
    for command in (["demo", full], ["reproduce", "demo", "--out", full]):
        assert unlearn(*command).returncode == 2
    assert [p.name for p in full.iterdir()] == ["mine.txt"]


def test_output_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    done = unlearn("craft", "random", *EMBEDDED, "--out", tmp_path / "file")
    assert (done.returncode, "is a file" in done.stderr) == (2, True)
    assert (tmp_path / "file").read_text() == "precious"


def test_perturbation_for_another_data_set(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert unlearn("craft", "random", *EMBEDDED, "--out", run).returncode == 0
    text = (run / "recipe.yaml").read_text().replace("train_samples: 40", "train_samples: 41")
    (run / "recipe.yaml").write_text(text)
    assert "made for other data" in one_line(tmp_path, "release", run)


def test_recipe_for_another_data_set(tmp_path: Path) -> None:
    image_folder(tmp_path / "photos")
    changes = ["data.source=imagefolder", "data.path=photos", "~data.train_samples"]
    text = one_line(tmp_path, "craft", "cifar10-small", *changes)
    assert "is for 10 classes, these data have 2 (class0, class1)" in text


def test_recipe_that_is_a_directory(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert "is a folder" in one_line(tmp_path, "craft", "folder")


def test_duplicate_keys(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("method: em\nmethod: random\n")
    assert "given twice" in one_line(tmp_path, "craft", "mine.yaml")


def test_a_run_that_is_not_finished_or_no_run(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    for command in ("audit", "release"):
        assert "not a run" in one_line(tmp_path, command, "nothing")


def test_too_many_samples_asked_for(tmp_path: Path) -> None:
    changes = ("data.train_samples=2500",)
    image_folder(tmp_path / "photos")
    text = one_line(tmp_path, "craft", folder_recipe(tmp_path), *changes)
    assert "2500 samples of split train asked for, it has 8" in text


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounting a small disk needs root")
def test_no_disk_space(tmp_path: Path) -> None:
    """On a real file system of 64 KB."""
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        done = unlearn("craft", "random", *EMBEDDED, "--out", small / "out")
        assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr
        assert "MB free, about" in done.stderr
        assert not (small / "out").exists()
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="becoming another user needs root")
def test_no_permission() -> None:
    """As a user who may not write there; in a folder of its own, because pytest's is for its owner alone."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    locked = place / "locked"
    locked.mkdir(mode=0o555)
    shutil.chown(locked, "root")
    code = (
        "import os, sys; from pathlib import Path; from unlearn import files, errors\n"
        f"os.setgid(65534); os.setuid(65534)\ntry:\n    files.claim(Path({str(locked)!r}) / 'out')\n"
        "except errors.OutputError as error:\n    print(error); sys.exit(error.exit_code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2, done.stderr
    assert len(done.stdout.strip().splitlines()) == 1
    assert not (locked / "out").exists()
    shutil.rmtree(place)


def test_usage_errors_leave_with_2(tmp_path: Path) -> None:
    assert unlearn("craft").returncode == 2
    assert unlearn("nonsense").returncode == 2
    assert unlearn("ls", "methodz").returncode == 2
