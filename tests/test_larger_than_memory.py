"""Sets larger than data.memory: everything is made through mapped files, and every byte is what memory would give."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import FAST, SOURCE_TREE, make_dataset

from unlearn import examination, placing, publish, recipe, run
from unlearn.audit import report
from unlearn.audit.plan import AuditPlan, Sweep
from unlearn.datasets import ImageDataset
from unlearn.defenses._field import named
from unlearn.errors import OutputError, RecipeError
from unlearn.images import png
from unlearn.recipe import Recipe
from unlearn.settings import Training

TINY = "data.memory=20KB"  # below the 40 training images of 16x16, and the 30 test images
QUICK = ("surrogate.network=small_cnn", "~data.expects")
EM = ("method.pgd.steps=2", "method.schedule={train_steps: 2, batch_size: 16, pgd_batch_size: 16, max_rounds: 2}")
TAP = ("method.pgd.steps=2", "method.restarts=2", "method.pretrain={epochs: 1, batch_size: 20}")
BLURRED = "{name: cuda, share: 0.5, rows: class-wise}"
CASES = {
    "em": ("parquet", "em", ("rows=sample-wise", *EM)),
    "em-classes": ("imagefolder", "em", ("rows=class-wise", *EM)),
    "em-grid": ("imagefolder", "em", ("rows=sample-wise", "band={cells: 8}", *EM)),
    "lsp": ("parquet", "lsp", ()),
    "tap": ("imagefolder", "tap", TAP),
    "compose": (
        "parquet",
        "compose",
        ("method.parts=[{name: lsp, share: 0.5}, {name: cuda, share: 0.5, rows: class-wise}]",),
    ),
}
AUDITED = ("em-grid", "compose")
PLAN = AuditPlan(
    victims=("linear",),
    seeds=1,
    defenses=(named("none"), named("grayscale")),
    training=Training(epochs=1, batch_size=16),
    sweep=Sweep(portions=(0.5,)),
    by_class=True,
)
EVERYTHING = replace(PLAN, defenses=tuple(map(named, ("jpeg", "early_stopping", "bit_depth"))), detection=True)


@pytest.fixture(autouse=True)
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports are made of the results that are compared, and take longer than all else here."""
    monkeypatch.setattr(report, "write", lambda out, results, examples: None)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same images as parquet shards and as class folders; the first one of each class is gray."""
    root = tmp_path_factory.mktemp("sets")
    for split, data in (("train", make_dataset(40)), ("test", make_dataset(30, seed=1))):
        files = [png(pixels if i > 2 else pixels[:1]) for i, pixels in enumerate(data.images)]
        write_parquet(root / "parquet" / f"{split}-00000-of-00001.parquet", files, data)
        for i, (content, label) in enumerate(zip(files, data.labels, strict=True)):
            place = root / "imagefolder" / split / data.names[label] / f"{i:03d}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    return root


def write_parquet(path: Path, files: list[bytes], data: ImageDataset) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = [data.names[label] for label in data.labels]
    table = pa.table({"image": [{"bytes": content, "path": None} for content in files], "label": labels})
    pq.write_table(table, path, row_group_size=7)


def settled(folders: Path, case: str, *more: str) -> Recipe:
    source, method, settings = CASES[case]
    data = (f"data.source={source}", f"data.path={folders / source}")
    return recipe.load(method, [*QUICK, *data, *settings, *more])


@pytest.fixture(params=CASES)
def pair(request: pytest.FixtureRequest, folders: Path, tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Two runs of a case: with all in memory, and with everything mapped."""
    case = request.param
    resident, mapped = settled(folders, case), settled(folders, case, TINY, f"data.cache={tmp_path / 'cache'}")
    assert resident.hash == mapped.hash
    assert isinstance(run.open_data(mapped).images, np.memmap)
    assert not isinstance(run.open_data(resident).images, np.memmap)
    yield run.craft(resident, tmp_path / "a" / case), run.craft(mapped, tmp_path / "b" / case)
    assert sorted(path.suffix for path in (tmp_path / "cache").iterdir()) == [".npy", ".npy"], "scratch was left"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def untimed(value: Any) -> Any:
    """Results without what no two runs share."""
    if isinstance(value, dict):
        hidden = ("seconds", "cpu_seconds", "peak_memory_mb")
        return {key: untimed(inner) for key, inner in value.items() if key not in hidden}
    return [untimed(inner) for inner in value] if isinstance(value, list) else value


def test_perturbation_release_and_audit_are_the_same(pair: tuple[Path, Path], tmp_path: Path) -> None:
    resident, mapped = pair
    assert contents(resident)[run.PERTURBATION] == contents(mapped)[run.PERTURBATION]
    made = [run.load(folder) for folder in pair]
    form = "imagefolder" if made[0].recipe.source == "parquet" else "parquet"
    released = [contents(publish.release(each, tmp_path / f"release-{i}", form)) for i, each in enumerate(made)]
    assert released[0] == released[1]
    if resident.name in AUDITED:
        assert_audited_alike(made, PLAN, tmp_path)


def assert_audited_alike(made: list[run.Run], plan: AuditPlan, out: Path) -> None:
    results = [examination.audit([each], out / f"audit-{i}", plan) for i, each in enumerate(made)]
    assert untimed(results[0]) == untimed(results[1])
    assert len(results[1]["rows"]) == 3 * len(plan.defenses)


@pytest.mark.slow
def test_other_defenses_and_detection_are_the_same(folders: Path, tmp_path: Path) -> None:
    own = (("resident", ()), ("mapped", (TINY, f"data.cache={tmp_path / 'cache'}")))
    made = [run.load(run.craft(settled(folders, "lsp", *more), tmp_path / name / "lsp")) for name, more in own]
    assert_audited_alike(made, EVERYTHING, tmp_path)


def test_a_release_and_a_foreign_set_are_audited_alike(folders: Path, tmp_path: Path) -> None:
    cache = f"data.cache={tmp_path / 'cache'}"
    resident, mapped = settled(folders, "lsp"), settled(folders, "lsp", TINY, cache)
    place = publish.release(run.load(run.craft(mapped, tmp_path / "run")), tmp_path / "release")
    assert publish.verify(place, tmp_path / "run") == []
    plan = replace(PLAN, defenses=(named("none"),), sweep=Sweep())
    for audit in (examination.audit_release, examination.audit_foreign):
        out = tmp_path / audit.__name__
        found = [audit(place, each, out / str(each.data.memory), plan) for each in (resident, mapped)]
        assert untimed(found[0]) == untimed(found[1])


def test_noise_and_copies_are_in_files(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[int] = []
    zeros = placing.zeros

    def watched(shape: Any, kind: Any) -> Any:
        made = zeros(shape, kind)
        kept.append(made.nbytes) if isinstance(made, np.memmap) else None
        return made

    monkeypatch.setattr(placing, "zeros", watched)
    settings = settled(folders, "em", TINY, f"data.cache={tmp_path / 'cache'}")
    made = run.load(run.craft(settings, tmp_path / "run"))
    assert kept == [40 * 3 * 16 * 16] * 2, "the noise on its grid, and in whole levels"
    publish.release(made, tmp_path / "release")
    assert kept == [40 * 3 * 16 * 16] * 3, "the protected images"


def test_a_run_says_how_much_memory_it_took(folders: Path, tmp_path: Path) -> None:
    folder = run.craft(settled(folders, "lsp"), tmp_path / "run")
    last = json.loads((folder / run.LOG).read_text().splitlines()[-1])
    assert last["event"] == "worked"
    if sys.platform == "linux":
        assert 10 < last["peak_memory_mb"] < 100_000
        assert run.load(folder).crafting["peak_memory_mb"] == last["peak_memory_mb"]


def test_killed_and_resumed_with_another_bound(folders: Path, tmp_path: Path) -> None:
    data = ("~data.expects", "data.source=parquet", f"data.path={folders / 'parquet'}", "surrogate.network=small_cnn")
    changes = (*FAST[1:], *data, "method.schedule.max_rounds=12", "method.pgd.steps=2")
    cache = f"data.cache={tmp_path / 'cache'}"
    whole = run.craft(recipe.load("em", changes), tmp_path / "whole")
    command = [sys.executable, "-m", "unlearn", "craft", "em", *changes, TINY, cache, "--checkpoint-every", "0"]
    process = subprocess.Popen([*command, "--out", str(tmp_path / "run")], env=SOURCE_TREE, stderr=subprocess.PIPE)
    while process.poll() is None and not list((tmp_path / "run").glob("checkpoint/00000[2-9]")):
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "run" / run.PERTURBATION).exists()
    again = run.craft(recipe.load("em", [*changes, "data.memory=30KB", cache]), tmp_path / "run")
    assert '"resumed"' in (again / run.LOG).read_text()
    assert contents(again)[run.PERTURBATION] == contents(whole)[run.PERTURBATION]
    assert sorted(contents(again)) == sorted(contents(whole)), "nothing is left behind"


@pytest.mark.parametrize("size", ["2 gigs", "-1GB", "1.5", "true", "GB", "[1]"])
def test_wrong_sizes_are_one_line(size: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe.load("demo", [f"data.memory={size}"])
    expected = "data.memory: expected a size such as 2GB, 500MB or a number of bytes, got "
    assert expected in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_settings_of_memory_are_no_part_of_a_release(folders: Path) -> None:
    settings = settled(folders, "lsp", "data.memory=1GiB", "data.cache=/somewhere")
    assert "memory" not in recipe.public(settings)["data"]
    assert "somewhere" not in recipe.to_yaml(recipe.public(settings))
    assert recipe.resolved(settings)["data"]["memory"] == "1073741824B"
    assert recipe.load("demo").data.memory == 2_000_000_000


def test_the_cache_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = recipe.load("demo").data
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert settings.cache_folder == Path.home() / ".cache" / "unlearn" / "images"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert settings.cache_folder == tmp_path / "unlearn" / "images"
    assert recipe.load("demo", ["data.cache=~/here"]).data.cache_folder == Path.home() / "here"


def test_an_unwritable_cache_is_one_line(folders: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be created"):
        run.craft(settled(folders, "lsp", TINY, f"data.cache={tmp_path / 'file' / 'cache'}"), tmp_path / "run")
