"""Compose: one budget for all parts, their order, the file, and errors that name the place in the recipe."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_dataset
from methods.contract import check, problem

from unlearn import publish, recipe, run
from unlearn.crafting.domain import Band
from unlearn.crafting.part import Part
from unlearn.errors import DataError, RecipeError
from unlearn.kinds.sequence import Sequence
from unlearn.methods.compose import Compose
from unlearn.methods.cuda import CUDA
from unlearn.methods.lsp import LSP
from unlearn.methods.ops import OPS
from unlearn.methods.random import Random
from unlearn.perturbation import Additive
from unlearn.stretched import Stretched

LSP_AND_RANDOM = Compose((Part(LSP(), 0.5), Part(Random(), 0.5)))
ALL = Compose((Part(CUDA(), rows="class-wise"), Part(OPS(), rows="class-wise"), Part(Random(), 4 / 255)))


@pytest.mark.parametrize("rows", ["sample-wise", "class-wise"])
def test_contract(rows: str) -> None:
    check(LSP_AND_RANDOM, rows)
    check(ALL, rows, epsilon=1.0)


def test_what_adds_up_is_one_noise_within_the_budget() -> None:
    made = LSP_AND_RANDOM.craft(problem(make_dataset(72), "sample-wise"))
    assert isinstance(made, Additive)
    assert 4 < int(made.delta.abs().max()) <= 8
    alone = Random().craft(problem(make_dataset(72), "sample-wise", 4 / 255, seed=1))
    lsp = LSP().craft(problem(make_dataset(72), "sample-wise", 4 / 255))
    assert np.array_equal(made.delta, lsp.delta + alone.delta)


def test_shares_above_one_are_clipped() -> None:
    made = Compose((Part(Random()), Part(Random()))).craft(problem(make_dataset(72), "sample-wise"))
    assert int(made.delta.abs().max()) == 8
    assert float((made.delta.abs() == 8).float().mean()) > 0.15


def test_parts_of_one_method_draw_apart() -> None:
    data = make_dataset(72)
    one, two = (Random().craft(problem(data, "sample-wise", 4 / 255, seed=seed)).delta for seed in (0, 1))
    made = Compose((Part(Random(), 0.5), Part(Random(), 0.5))).craft(problem(data, "sample-wise"))
    assert np.array_equal(made.delta, one + two)
    assert not np.array_equal(one, two)


def test_the_order_is_that_of_the_list() -> None:
    data, index = make_dataset(72), np.arange(72)
    blur, pixel = Part(CUDA(), rows="class-wise"), Part(OPS(), rows="class-wise")
    made = Compose((blur, pixel)).craft(problem(data, "sample-wise", 1.0))
    assert isinstance(made, Sequence)
    assert [type(part).__name__ for part in made.parts] == ["Filtering", "Replacing"]
    other = Compose((pixel, blur)).craft(problem(data, "sample-wise", 1.0))
    assert not np.array_equal(made.apply_pixels(data.images, index), other.apply_pixels(data.images, index))


def test_on_a_coarse_grid_parts_add_up_or_are_refused() -> None:
    on_grid = replace(problem(make_dataset(72), "class-wise"), domain=Band(cells=4))
    assert isinstance(Compose((Part(Random(), 0.5), Part(Random(), 0.5))).craft(on_grid), Stretched)
    with pytest.raises(DataError, match="give all parts the same rows"):
        Compose((Part(Random(), 0.5), Part(Random(), 0.5, "sample-wise"))).craft(on_grid)


RECIPE = """\
method:
  name: compose
  parts:
    - {name: cuda, rows: class-wise}
    - name: em
      share: 0.5
      rows: class-wise
      pgd: {step_size: 1.6/255, steps: 1}
      schedule: {train_steps: 2, batch_size: 64, pgd_batch_size: 64, max_rounds: 2}
    - {name: lsp, share: 0.5}
epsilon: 200/255
data: {source: embedded, train_samples: 96, test_samples: 60}
surrogate: {network: small_cnn}
audit: audits/demo
expected: {}
"""


def test_a_recipe_of_parts_from_crafting_to_a_verified_release(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(RECIPE)
    settings = recipe.load(str(tmp_path / "mine.yaml"))
    folder = run.craft(settings, tmp_path / "run")
    made = run.load(folder)
    assert made.recipe.method == settings.method
    assert made.recipe.hash == settings.hash
    assert isinstance(made.saved.perturbation, Sequence)
    assert [p.name for p in folder.iterdir() if p.is_dir()] == []
    publish.release(made, tmp_path / "release")
    assert publish.verify(tmp_path / "release", folder) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "name: lsp",
            "name: lspp",
            'mine.yaml:10:8 method.parts.2.name: method "lspp" does not exist; did you mean lsp',
        ),
        ("steps: 1}", "stops: 1}", "mine.yaml:8:33 method.parts.1.pgd.stops: not a field of PGD"),
        ("share: 0.5\n", "share: 2\n", "mine.yaml:6:7 method.parts.1.share: should be less than or equal to 1"),
        ("{name: cuda, rows: class-wise}", "{name: cuda, rows: odd}", "mine.yaml:4:20 method.parts.0.rows: should be"),
        ("{name: lsp, share: 0.5}", "3", "method.parts.2: expected a name, or a mapping with a name"),
        ("epsilon: 200/255", "epsilon: 2/255", "method.parts.1.pgd.step_size: is larger than epsilon"),
        ("max_rounds: 2}", "portion: 0.5}\n      rows: sample-wise", "given twice"),
    ],
)
def test_errors_name_the_part(old: str, new: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(RECIPE.replace(old, new))
    with pytest.raises(RecipeError) as error:
        recipe.load(str(tmp_path / "mine.yaml"))
    assert message in str(error.value)


def test_no_parts_are_refused(tmp_path: Path) -> None:
    text: Any = RECIPE[: RECIPE.index("  parts")] + "  parts: []\n" + RECIPE[RECIPE.index("epsilon") :]
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(RecipeError, match=r"method\.parts"):
        recipe.load(str(tmp_path / "mine.yaml"))


def test_recipe() -> None:
    settings = recipe.load("compose")
    assert isinstance(settings.method, Compose)
    assert recipe.load("small/compose").method == settings.method
