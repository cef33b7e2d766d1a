"""Promises: what is checked on saved pixels, and the words for it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import make_dataset

from unlearn import control, publish, recipe, run
from unlearn.promise import Promise
from unlearn.release import record, verify


@pytest.mark.parametrize(
    ("promise", "words"),
    [
        (Promise(8), "L-infinity norm"),
        (Promise(255), "no norm"),
        (Promise(255, pixels=1), "at most 1 pixel of an image"),
        (Promise(32, pixels=5), "at most 5 pixels of an image"),
        (Promise(32, norm=1.304), "L2 norm of at most 1.304 an image"),
        (Promise(255, 3, 2.0), "L2 norm of at most 2 an image, at most 3 pixels of an image"),
    ],
)
def test_words(promise: Promise, words: str) -> None:
    assert promise.words == words


def test_what_is_broken_is_named_with_both_numbers() -> None:
    clean = np.full((3, 4, 4), 100, dtype=np.uint8)
    changed = clean.copy()
    changed[0, 0, 0] += 30
    changed[2, 0, 0] -= 40
    changed[1, 3, 1] += 1
    assert list(Promise(40, 2, 0.2).broken(clean, changed)) == []
    assert list(Promise(39, 1, 0.19).broken(clean, changed)) == [
        "changed by 40 levels, at most 39 are allowed",
        "changed in 2 pixels, at most 1 are allowed",
        "changed by an L2 norm of 0.1961, at most 0.19 is allowed",
    ]


def test_the_control_fills_a_budget_or_is_as_large_as_the_change() -> None:
    data = make_dataset(200)
    changed = data.images.copy()
    changed[:150, :, 3, 4] = 255
    everywhere = control.uniform(data.images, changed, data.keys, Promise(8)).astype(int) - data.images
    assert np.abs(everywhere[:150]).max() == 8
    assert (everywhere[:150] != 0).mean() > 0.9
    assert not everywhere[150:].any()
    few = control.uniform(data.images, changed, data.keys, Promise(255, pixels=1)) != data.images
    assert few.any(1).sum((1, 2)).max() == 1
    assert len(np.unique(few[:150].any(1).reshape(150, -1).argmax(1))) > 50


OVERRIDES = ["data.source=embedded", "data.train_samples=60", "data.test_samples=30", "~data.path", "~data.expects"]


@pytest.mark.parametrize("name", ["small/ops", "small/lsp", "small/cuda"])
def test_releases_say_and_keep_what_is_promised(name: str, tmp_path: Path) -> None:
    settings = recipe.load(name, OVERRIDES)
    made = run.load(run.craft(settings, tmp_path / "run"))
    publish.release(made, tmp_path / "release")
    promise = made.saved.perturbation.promise
    assert verify.limits(tmp_path / "release") == promise
    assert promise.words in (tmp_path / "release" / "README.md").read_text()
    clean, test = run.open_data(settings), run.test_data(settings)
    assert verify.verify(tmp_path / "release", clean, test) == []
    other = clean.images.copy()
    other[5] = np.where(made.saved.protect(clean).images[5] > 127, 0, 255)
    found = [str(each) for each in verify.verify(tmp_path / "release", replace(clean, images=other), test)]
    assert len(found) >= 1
    assert all("changed" in each for each in found)


def test_records_of_before_there_were_promises_are_read(tmp_path: Path) -> None:
    settings = recipe.load("demo", ["method=random", "data.train_samples=60", "data.test_samples=30"])
    publish.release(run.load(run.craft(settings, tmp_path / "run")), tmp_path / "release")
    text = (tmp_path / "release" / record.NAME).read_text()
    older = text[: text.index(',\n  "promise"')] + "\n}\n"
    (tmp_path / "release" / record.NAME).write_text(older)
    assert verify.limits(tmp_path / "release") == Promise(8)
    (tmp_path / "release" / record.NAME).write_text(text.replace('"levels": 8', '"levels": 9'))
    assert any("promise.levels: 9, epsilon is 8" in str(each) for each in verify.verify(tmp_path / "release"))
