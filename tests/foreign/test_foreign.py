"""Foreign sets: every format gives the same audit's subject, pairs are found, and what does not belong is refused."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import unlearn

from unlearn import images, recipe, run
from unlearn.audit.run import Subject
from unlearn.datasets import ImageDataset
from unlearn.errors import DataError
from unlearn.examination import audit_paths
from unlearn.foreign import pairing, reading
from unlearn.foreign.subject import measure, subject
from unlearn.recipe import Recipe

CHANGES = ("data.train_images=60", "data.test_images=30", "audit.training.epochs=1", "audit.defenses=[none]")


@pytest.fixture(scope="module")
def original() -> Recipe:
    return recipe.load("demo-sample", CHANGES)


@pytest.fixture(scope="module")
def clean(original: Recipe) -> ImageDataset:
    return run.open_data(original)


def noise(clean: ImageDataset, levels: int = 6) -> np.ndarray:
    """Class-wise noise of this strength, int (K, C, H, W)."""
    draws = np.random.default_rng(1).integers(0, 2, (clean.classes, *clean.images.shape[1:]))
    return (2 * draws - 1) * levels


@pytest.fixture(scope="module")
def changed(clean: ImageDataset) -> np.ndarray:
    return (clean.images + noise(clean)[clean.labels]).clip(0, 255).astype(np.uint8)


def folders(root: Path, clean: ImageDataset, changed: np.ndarray, name: Callable[[int], str]) -> Path:
    for i, label in enumerate(clean.labels):
        place = root / clean.names[label]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name(i)}.png").write_bytes(images.png(changed[i]))
    return root


def table(clean: ImageDataset, changed: np.ndarray) -> Any:
    from datasets import ClassLabel, Dataset, Features, Image, Value

    rows = [{"bytes": images.png(each), "path": None} for each in changed]
    features = Features({"image": Image(), "label": ClassLabel(names=list(clean.names)), "id": Value("int64")})
    content = {"image": rows, "label": clean.labels.tolist(), "id": list(range(len(rows)))}
    return Dataset.from_dict(content, features=features)


def write(kind: str, root: Path, clean: ImageDataset, changed: np.ndarray) -> Path:
    """The same protected set in the formats that people have."""
    hwc = changed.transpose(0, 2, 3, 1)
    path = root / {"parquet": "p.parquet", "saved": "folder", "tree": "tree"}.get(kind, "set.npz")
    match kind:
        case "x and y":
            np.savez(path, x=hwc, y=clean.labels)
        case "data and targets":
            np.savez_compressed(path, data=changed, targets=clean.labels[:, None])
        case "floats":
            np.savez(path, x=hwc / np.float32(255), y=clean.labels)
        case "images and labels":
            np.savez(path, images=hwc, labels=np.array(clean.names)[clean.labels])
        case "parquet":
            table(clean, changed).to_parquet(path)
        case "saved":
            table(clean, changed).save_to_disk(path)
        case "tree":
            folders(path / "train", clean, changed, str)
    return path


KINDS = ("x and y", "floats", "data and targets", "images and labels", "parquet", "saved", "tree")


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_the_same_pixels(
    kind: str, original: Recipe, clean: ImageDataset, changed: np.ndarray, tmp_path: Path
) -> None:
    made = subject(write(kind, tmp_path, clean, changed), original)
    assert np.array_equal(made.protected["protected"], changed)
    assert np.array_equal(made.clean.images, clean.images)
    assert made.epsilon == pytest.approx(6 / 255)
    assert made.facts["method"] == "foreign"
    assert made.facts["foreign"]["max_levels"] == 6
    assert np.abs(made.random.astype(int) - clean.images).max() == 6


def rows_of(made: Subject) -> str:
    return str(made.facts["foreign"]["format"])


@pytest.mark.parametrize("scale", [1 / 255, 1])
@pytest.mark.parametrize("rows", ["class-wise", "sample-wise"])
def test_perturbations_of_the_official_code(
    rows: str, scale: float, original: Recipe, clean: ImageDataset, changed: np.ndarray, tmp_path: Path
) -> None:
    delta = noise(clean) if rows == "class-wise" else noise(clean)[clean.labels]
    torch.save(torch.tensor(delta * scale, dtype=torch.float32), tmp_path / "perturbation.pt")
    made = subject(tmp_path / "perturbation.pt", original)
    assert np.array_equal(made.protected["protected"], changed)  # negative values too, and rounded
    assert rows_of(made).startswith(rows)


def test_whole_numbers_are_levels(original: Recipe, clean: ImageDataset, tmp_path: Path) -> None:
    torch.save(torch.ones(clean.classes, *clean.images.shape[1:], dtype=torch.int8), tmp_path / "one.pt")
    assert subject(tmp_path / "one.pt", original).epsilon == pytest.approx(1 / 255)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda s: torch.zeros(7, *s), r"a tensor of shape \[7, 3, 32, 32\], the clean data need \[60, 3, 32, 32\] or"),
        (lambda s: torch.zeros(60, 3, 16, 16), "a tensor of shape"),
        (lambda s: torch.zeros(60, 32, 32, 3), "a tensor of shape"),
        (lambda s: torch.zeros(60), "a tensor of shape"),
        (lambda s: torch.zeros(60, *s), "nothing is protected"),
        (lambda s: torch.full((60, *s), float("nan")), "values of nan"),
        (lambda s: torch.full((60, *s), 300.0), "values of 300"),
        (lambda s: torch.zeros(1, 1, 1, 1).expand(2**20, 2**9, 32, 32), "would take"),
    ],
)
def test_perturbations_that_do_not_fit(make: Any, message: str, original: Recipe, tmp_path: Path) -> None:
    torch.save(make((3, 32, 32)), tmp_path / "p.pt")
    with pytest.raises(DataError, match=message) as caught:
        subject(tmp_path / "p.pt", original)
    assert "\n" not in str(caught.value)


def test_files_pair_by_their_numbers(
    original: Recipe, clean: ImageDataset, changed: np.ndarray, tmp_path: Path
) -> None:
    made = subject(folders(tmp_path, clean, changed, lambda i: f"img_{i + 1}"), original)
    assert made.facts["foreign"]["paired"] == "by the numbers in file names"
    assert np.array_equal(made.protected["protected"], changed)


def test_files_that_are_numbered_within_a_class(
    original: Recipe, clean: ImageDataset, changed: np.ndarray, tmp_path: Path
) -> None:
    made = subject(folders(tmp_path, clean, changed, lambda i: str(i // clean.classes)), original)
    assert made.facts["foreign"]["paired"] == "by order within each class"
    assert np.array_equal(made.protected["protected"], changed)


def folder_recipe(root: Path) -> Recipe:
    changes = ["data.source=imagefolder", f"data.path={json.dumps(str(root))}", "data.test=train"]
    return recipe.load("demo-sample", [*changes, "~data.train_images", "~data.test_images"])


def test_files_pair_by_name_whatever_their_format(clean: ImageDataset, changed: np.ndarray, tmp_path: Path) -> None:
    names = [f"{hash_of:08x}" for hash_of in np.random.default_rng(3).integers(0, 2**31, len(clean))]
    folders(tmp_path / "clean", clean, clean.images, lambda i: names[i])
    foreign = folders(tmp_path / "foreign", clean, changed, lambda i: names[i])
    for file in foreign.rglob("*.png"):
        file.rename(file.with_suffix(".bmp"))  # content decides, not the name
    made = subject(foreign, folder_recipe(tmp_path / "clean"))
    assert made.facts["foreign"]["paired"] == "by file name"
    assert np.abs(made.protected["protected"].astype(int) - made.clean.images).max() == 6


def test_the_recipes_part_of_a_whole_set(clean: ImageDataset, changed: np.ndarray, tmp_path: Path) -> None:
    """The recipe takes 24 of the 60 samples; a set of 60 is cut to them, one of 24 is them."""
    small = recipe.load("demo-sample", [*CHANGES, "data.train_samples=24"])
    whole = subject(write("x and y", tmp_path, clean, changed), small)
    part = run.open_data(small)
    assert np.array_equal(whole.clean.images, part.images)
    np.savez(tmp_path / "part.npz", x=whole.protected["protected"], y=part.labels)
    again = subject(tmp_path / "part.npz", small)
    assert np.array_equal(again.protected["protected"], whole.protected["protected"])
    for count in (24, 60):
        delta = noise(clean)[clean.labels if count == 60 else part.labels]
        torch.save(torch.tensor(delta, dtype=torch.int16), tmp_path / "p.pt")
        made = subject(tmp_path / "p.pt", small)
        assert np.array_equal(made.protected["protected"], whole.protected["protected"])


def refused(path: Path, original: Recipe, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        subject(path, original)
    assert "\n" not in str(caught.value)


def test_another_number_of_images(original: Recipe, clean: ImageDataset, changed: np.ndarray, tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", x=changed[:50], y=clean.labels[:50])
    refused(tmp_path / "f.npz", original, "50 images, the clean data have 60; samples can't be paired")


def test_other_labels(original: Recipe, clean: ImageDataset, changed: np.ndarray, tmp_path: Path) -> None:
    wrong = clean.labels.copy()
    wrong[[7, 9]] = 0
    np.savez(tmp_path / "f.npz", x=changed, y=wrong)
    refused(tmp_path / "f.npz", original, r"x\[7\]: label stripes, its clean original has checks \(2 of 60 labels")


def test_other_classes(original: Recipe, clean: ImageDataset, changed: np.ndarray, tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", x=changed, y=np.array(["cat", "dog"])[clean.labels % 2])
    refused(tmp_path / "f.npz", original, 'has a class "cat", the clean data have stripes, checks')
    np.savez(tmp_path / "g.npz", x=changed, y=clean.labels + 1)
    refused(tmp_path / "g.npz", original, 'has a class "6"')


def test_images_in_another_order(original: Recipe, clean: ImageDataset, changed: np.ndarray, tmp_path: Path) -> None:
    """The labels agree, because the order is other within the classes only."""
    np.savez(tmp_path / "f.npz", x=np.roll(changed, clean.classes, axis=0), y=clean.labels)
    refused(tmp_path / "f.npz", original, "more like their clean original than like another one")


def test_images_of_another_size(original: Recipe, clean: ImageDataset, changed: np.ndarray, tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", x=changed[:, :, :16], y=clean.labels)
    refused(tmp_path / "f.npz", original, r"x\[0\]: 32x16 pixels and 3 channels, the clean images have 32x32 pixels")


def test_the_clean_images_themselves(original: Recipe, clean: ImageDataset, tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", x=clean.images, y=clean.labels)
    refused(tmp_path / "f.npz", original, "nothing is protected")


def test_an_npz_that_declares_far_too_much(original: Recipe, clean: ImageDataset, tmp_path: Path) -> None:
    bomb = np.zeros((20_000, 32, 32, 3), np.uint8)
    np.savez_compressed(tmp_path / "f.npz", x=bomb, y=np.zeros(20_000, int))
    refused(tmp_path / "f.npz", original, "bytes in one array, .* are the most for these data")


@pytest.mark.parametrize("share", [0.3, 0.9])
@pytest.mark.parametrize("kind", ["x and y", "parquet"])
def test_truncated_files(
    kind: str, share: float, original: Recipe, clean: ImageDataset, changed: np.ndarray, tmp_path: Path
) -> None:
    path = write(kind, tmp_path, clean, changed)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(path, original, r"not an \.npz file|not a readable parquet file")


def test_pickled_arrays_and_standardized_ones(
    original: Recipe, clean: ImageDataset, changed: np.ndarray, tmp_path: Path
) -> None:
    np.savez(tmp_path / "f.npz", x=np.array([object()] * 60), y=clean.labels)
    refused(tmp_path / "f.npz", original, "pickled objects, which are never loaded")
    np.savez(tmp_path / "g.npz", x=changed / np.float32(127.5) - 1, y=clean.labels)
    refused(tmp_path / "g.npz", original, r"holds values from -1 to .*, expected floats in \[0, 1\]")


def test_what_is_no_set_at_all(original: Recipe, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    refused(tmp_path / "notes.txt", original, "not an image folder")
    refused(tmp_path / "nothing", original, "no such file or folder")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", original, "no images found")
    with zipfile.ZipFile(tmp_path / "a.npz", "w"):
        refused(tmp_path / "missing.npz", original, "no such file or folder")


def test_one_broken_picture_is_named(
    original: Recipe, clean: ImageDataset, changed: np.ndarray, tmp_path: Path
) -> None:
    root = folders(tmp_path, clean, changed, str)
    victim = next(root.rglob("17.png"))
    victim.write_bytes(victim.read_bytes()[:40])
    refused(root, original, r"17\.png: not a readable image")


def test_a_picture_of_millions_of_pixels_is_refused_at_once(
    original: Recipe, clean: ImageDataset, changed: np.ndarray, tmp_path: Path
) -> None:
    root = folders(tmp_path, clean, changed, str)
    next(root.rglob("17.png")).write_bytes(images.png(np.zeros((1, 3000, 3000), np.uint8)))
    refused(root, original, r"17\.png: 3000x3000 pixels and 1 channel, the clean images have 32x32 pixels")


def test_gray_pictures_among_colored_ones_are_spread(clean: ImageDataset) -> None:
    gray = np.full((1, 32, 32), 7, np.uint8)
    assert reading._fitting(gray, clean.images.shape[1:], "here").shape == (1, 32, 32)
    made = np.empty((3, 32, 32), np.uint8)
    made[:] = gray
    assert (made == 7).all()


def test_the_control_of_sparse_changes_is_as_strong_as_they_are(clean: ImageDataset) -> None:
    """One white pixel an image is a change of up to 255 levels; noise of 255 levels everywhere would be no control."""
    sparse = clean.images.copy()
    sparse[:, :, 3, 4] = 255
    promise, about = measure(clean, sparse)
    assert not promise.plain
    assert about["random_control"] == "as strong as each image's change"
    dense, about = measure(clean, (clean.images + noise(clean)[clean.labels]).clip(0, 255).astype(np.uint8))
    assert dense.plain
    assert about["random_control"] == "fills the measured budget"


def test_budget_counts_changed_samples_only(clean: ImageDataset, changed: np.ndarray) -> None:
    half = np.where(np.arange(len(clean))[:, None, None, None] < 30, changed, clean.images)
    promise, about = measure(clean, half)
    assert promise.plain
    assert about["changed_share"] == 0.5


def test_a_class_of_one_sample_has_a_stranger() -> None:
    labels = np.array([0, 1, 0, 2])
    assert [pairing._stranger(labels, i) for i in range(4)] == [2, 2, 0, 0]


def test_the_whole_audit_names_the_set_and_its_measured_budget(
    clean: ImageDataset, changed: np.ndarray, tmp_path: Path
) -> None:
    torch.save(torch.tensor(noise(clean) / 255, dtype=torch.float32), tmp_path / "official.pt")
    saved = recipe.load("demo-sample", CHANGES)
    (tmp_path / "mine.yaml").write_text(recipe.to_yaml(recipe.resolved(saved)))
    results = audit_paths([tmp_path / "official.pt"], tmp_path / "out", clean=str(tmp_path / "mine.yaml"))
    assert results["name"] == "official.pt"
    assert results["foreign"]["max_levels"] == round(255 * results["epsilon"]) == 6
    assert {row["train_on"] for row in results["rows"]} == {"clean", "random", "protected"}
    assert "as strong as" not in (tmp_path / "out" / "report.md").read_text()
    assert "class-wise perturbation" in (tmp_path / "out" / "report.html").read_text()


def test_the_command_says_what_it_lacks(clean: ImageDataset, changed: np.ndarray, tmp_path: Path) -> None:
    path = write("x and y", tmp_path, clean, changed)
    done = unlearn("audit", path, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.strip().endswith("--clean names the recipe or run of its clean data")
    assert done.stderr.count("\n") == 1
    with pytest.raises(DataError, match="2 protected sets at once"):
        audit_paths([path, path], tmp_path / "out", clean="demo-sample")
