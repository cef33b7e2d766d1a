"""The audit: what its cells train on, that they are kept, and that it can tell a protection from none."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_dataset

from unlearn import memory, schema
from unlearn.audit import cells as grid
from unlearn.audit import run as auditing
from unlearn.audit import side_by_side
from unlearn.audit.cells import Bench, Cell
from unlearn.audit.plan import AuditPlan, Sweep
from unlearn.audit.run import Post, Subject
from unlearn.audit.sharing import Purified
from unlearn.datasets import ImageDataset
from unlearn.defenses._field import named
from unlearn.defenses.jpeg import JPEG
from unlearn.defenses.none import NoDefense
from unlearn.defenses.simclr import SimCLR
from unlearn.errors import DataError, Interrupted
from unlearn.progress import Advance, Silent
from unlearn.settings import SGD, Training
from unlearn.signals import StopRequest

TRAINING = Training(epochs=8, batch_size=20, sgd=SGD(lr=0.05, clip=1.0), augment=())
PLAN = AuditPlan(victims=("small_cnn",), seeds=1, training=TRAINING)


def shortcut(data: ImageDataset) -> np.ndarray:
    """A planted protection: a class's own pattern of +-24 levels, which every network learns first."""
    out = data.images.astype(int)
    pattern = np.random.default_rng(0).integers(0, 2, (data.classes, *data.images.shape[1:])) * 48 - 24
    return (out + pattern[data.labels]).clip(0, 255).astype(np.uint8)


@pytest.fixture
def subject() -> Subject:
    train, test = make_dataset(120, contrast=14), make_dataset(90, contrast=14, seed=5)
    return Subject(train, {"protected": shortcut(train)}, test, 24 / 255, {"name": "made", "method": "planted"})


def audited(subject: Subject, plan: AuditPlan, out: Path) -> dict:
    auditing.audit(subject, plan, out)
    return auditing.finish(subject, plan, out)


def test_it_tells_a_protection_from_none(subject: Subject, tmp_path: Path) -> None:
    results = audited(subject, PLAN, tmp_path)
    summary = results["summary"]
    assert summary["clean"] > 0.85
    assert summary["random"] > summary["clean"] - 0.25
    assert summary["protected"] < 0.6
    nothing = replace(subject, protected={"protected": subject.clean.images})
    assert audited(nothing, PLAN, tmp_path / "nothing")["summary"]["protected"] == summary["clean"]


def test_results_follow_the_contract(subject: Subject, tmp_path: Path) -> None:
    audited(subject, replace(PLAN, seeds=2), tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["version"] == 1
    assert results["chance"] == pytest.approx(1 / 3)
    assert len(results["rows"]) == 6
    for key in ("train_on", "defense", "victim", "seed", "clean_test_accuracy", "peak_clean_test_accuracy",
                "train_accuracy", "seconds"):  # fmt: skip
        assert all(key in row for row in results["rows"])
    assert {"clean", "random", "protected", "worst_case", "worst_defense"} <= set(results["summary"])
    assert results["quality"]["protected"]["max_levels"] == 24
    for row in results["rows"]:
        assert row["peak_clean_test_accuracy"] >= row["clean_test_accuracy"]
    for name in ("results.csv", "report.md", "report.html"):
        assert (tmp_path / name).stat().st_size > 200


def test_finished_cells_are_not_run_again(subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = audited(subject, PLAN, tmp_path)

    def never(*arguments: object) -> None:
        raise AssertionError("a finished cell was run again")

    monkeypatch.setattr(auditing, "run", never)
    assert audited(subject, PLAN, tmp_path)["rows"] == first["rows"]
    with pytest.raises(AssertionError, match="run again"):
        audited(subject, replace(PLAN, training=replace(TRAINING, epochs=5)), tmp_path)


class StopAfterOne(Silent):
    """Asks for a stop while the first cell is in hand."""

    def __init__(self) -> None:
        self.stop = StopRequest()

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        def advance(units: int) -> None:
            self.stop.requested = True

        yield advance


def test_a_stop_leaves_after_the_cell_in_hand(subject: Subject, tmp_path: Path) -> None:
    progress = StopAfterOne()
    with pytest.raises(Interrupted):
        auditing.audit(subject, PLAN, tmp_path, Post(progress=progress, stop=progress.stop))
    assert len(list((tmp_path / "cells").iterdir())) == 1


def test_a_stop_before_anything_begins_leaves_at_once(subject: Subject, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        auditing.audit(subject, PLAN, tmp_path, Post(stop=StopRequest(True)))
    assert not list((tmp_path / "cells").iterdir())


def test_an_interrupt_while_stopping_ends_trainings_at_their_next_epoch(subject: Subject, tmp_path: Path) -> None:
    progress = StopAfterOne()
    progress.stop.at_once = True
    with pytest.raises(Interrupted, match="runs the training again"):
        auditing.audit(subject, PLAN, tmp_path, Post(progress=progress, stop=progress.stop, threads=2))
    assert not list((tmp_path / "cells").iterdir())


# What draws weights of its own, keeps images for others, or takes gradients in its own way.
KINDS = [
    *("none", {"name": "jpeg", "quality": 10}, {"name": "adversarial", "steps": 1}, "orthogonal_projection"),
    *({"name": "simclr", "epochs": 1, "batch_size": 60}, {"name": "purifier", "pairs": 20, "width": 8, "steps": 2}),
]


def test_trainings_side_by_side_give_the_same_figures(subject: Subject, tmp_path: Path) -> None:
    plan, problems = schema.check(AuditPlan, {"victims": ["small_cnn"], "defenses": KINDS, "seeds": 1})
    assert not problems
    plan = replace(AuditPlan(**vars(plan)), training=replace(TRAINING, epochs=1, augment=("flip",)), detection=True)
    found = []
    for threads in (1, 4):
        auditing.audit(subject, plan, tmp_path / str(threads), Post(threads=threads))
        results = auditing.finish(subject, plan, tmp_path / str(threads))
        rows = [*results["rows"], *results["detection"]]
        found.append([{key: row[key] for key in row if not key.endswith("seconds")} for row in rows])
    assert len(found[0]) > 3 * len(KINDS)
    assert found[0] == found[1]


def test_progress_counts_the_planned_epochs_whatever_a_defense_does(subject: Subject, tmp_path: Path) -> None:
    progress = Counted()
    defenses = (named("none"), SimCLR(epochs=3, batch_size=60))
    plan = replace(PLAN, defenses=defenses, training=replace(TRAINING, epochs=2))
    auditing.audit(subject, plan, tmp_path, Post(threads=2, progress=progress))
    assert progress.done == progress.total == 6 * 2
    auditing.audit(subject, plan, tmp_path, Post(progress=progress))
    assert progress.done == progress.total


class Counted(Silent):
    """Adds up what it is told."""

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        self.done, self.total = 0, total

        def advance(units: int) -> None:
            self.done += units

        yield advance


def test_trainings_that_memory_does_not_hold_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = np.zeros((1, 3, 32, 32), np.uint8), np.zeros((1, 3, 224, 224), np.uint8)
    monkeypatch.setattr(memory, "granted", lambda: 16 * 2**30)
    assert [side_by_side.at_once(threads, 128, small) for threads in (1, 4, 64)] == [1, 4, 9]
    assert side_by_side.at_once(8, 128, large) == 1
    monkeypatch.setattr(memory, "granted", lambda: None)
    assert side_by_side.at_once(8, 128, large) == 8


def test_two_processes_share_the_cells(subject: Subject, tmp_path: Path) -> None:
    for rank in (0, 1):
        auditing.audit(subject, PLAN, tmp_path / "two", Post(rank=rank, world=2))
    shared = auditing.finish(subject, PLAN, tmp_path / "two")
    alone = audited(subject, PLAN, tmp_path / "one")
    figures = [[row["clean_test_accuracy"] for row in results["rows"]] for results in (shared, alone)]
    assert figures[0] == figures[1]


def test_a_test_set_with_other_classes_is_refused(subject: Subject, tmp_path: Path) -> None:
    other = replace(subject.test, names=("a", "b", "c"))
    with pytest.raises(DataError, match="the test set has classes a, b, c"):
        auditing.audit(replace(subject, test=other), PLAN, tmp_path)


def bench(subject: Subject, plan: AuditPlan = PLAN) -> Bench:
    return auditing._bench(subject, plan, Post(progress=Silent()))


def cell(**changes: object) -> Cell:
    return replace(Cell("protected", NoDefense(), "small_cnn", 0), **changes)


def test_random_control_fills_the_budget_where_samples_are_protected(subject: Subject) -> None:
    half = np.where(np.arange(120)[:, None, None, None] < 60, subject.protected["protected"], subject.clean.images)
    noise = auditing.random_noise(replace(subject, protected={"protected": half})).astype(int) - subject.clean.images
    assert not noise[60:].any()
    assert np.abs(noise[:60]).max() == 24
    assert abs(noise[:60].mean()) < 0.5


def test_partial_protection_mixes_by_sample_and_keeps_classes_even(subject: Subject) -> None:
    b = bench(subject)
    mixed, everyone = grid.training_set(cell(portion=0.5), b)
    changed = (mixed != subject.clean.images).any((1, 2, 3))
    assert changed.sum() == 60
    assert np.bincount(subject.clean.labels[changed]).tolist() == [20, 20, 20]
    rest, kept = grid.training_set(cell(portion=0.5, train_on="clean-part"), b)
    assert np.array_equal(kept, np.flatnonzero(~changed))
    assert np.array_equal(rest, subject.clean.images[~changed])
    assert len(everyone) == 120


def test_class_sweep_reports_protected_and_other_classes_apart(subject: Subject, tmp_path: Path) -> None:
    plan = replace(PLAN, sweep=Sweep(portions=(0.5,), classes=(("class1",),)))
    results = audited(subject, plan, tmp_path)
    kinds = [(row["kind"], row["train_on"]) for row in results["sweep"]]
    assert kinds == [("portion", "protected"), ("portion", "clean-part"), ("classes", "protected")]
    row = results["sweep"][-1]
    assert row["protected_classes_accuracy"] < row["other_classes_accuracy"]
    assert (tmp_path / "sweep.csv").exists()


def test_an_unknown_class_in_the_sweep_is_named(subject: Subject, tmp_path: Path) -> None:
    plan = replace(PLAN, sweep=Sweep(classes=(("cat",),)))
    with pytest.raises(DataError, match=r"no class .cat.; there are: class0, class1, class2"):
        auditing.audit(subject, plan, tmp_path)


def test_all_sets_are_trained_in_the_same_order(subject: Subject) -> None:
    b = bench(subject)
    clean, protected = (grid._scene(cell(train_on=name), b).found for name in ("clean", "protected"))
    assert clean.keys.tolist() == protected.keys.tolist()
    assert clean.images.tolist() != protected.images.tolist()


DEFENSES = (named("none"), named({"name": "chain", "defenses": ["grayscale", "jpeg"]}))
LEARNING = (named({"name": "chain", "defenses": ["jpeg", {"name": "orthogonal_projection", "epochs": 1}]}),)
PURIFYING = (named({"name": "purifier", "pairs": 30, "width": 0, "steps": 20}),)


@pytest.mark.parametrize("defenses", [DEFENSES, LEARNING, PURIFYING])
def test_sharing_images_changes_no_figure(defenses: tuple, subject: Subject) -> None:
    """Of two sets and two seeds: what a defense learned from one of them is not laid on the others."""
    stronger = 2 * subject.protected["protected"].astype(int) - subject.clean.images
    sets = {**subject.protected, "protected:stronger": stronger.clip(0, 255).astype(np.uint8)}
    subject = replace(subject, protected=sets)
    plan = replace(PLAN, seeds=2, defenses=defenses, training=replace(TRAINING, epochs=1, batch_size=60))
    shared, apart = bench(subject, plan), replace(bench(subject, plan), purified=Purified(0))
    rows = [
        [grid.run(each, b, lambda epoch: None)["curve"] for each in grid.cells(b.sets, plan)] for b in (shared, apart)
    ]
    assert rows[0] == rows[1]
    assert not apart.purified.kept


def test_images_are_purified_once_for_all_seeds(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, real = [], JPEG.purify
    monkeypatch.setattr(JPEG, "purify", lambda self, images: calls.append(len(images)) or real(self, images))
    plan = replace(PLAN, seeds=2, defenses=DEFENSES[1:], training=replace(TRAINING, epochs=1, batch_size=60))
    b = bench(subject, plan)
    for each in grid.cells(b.sets, plan):
        grid.run(each, b, lambda epoch: None)
    assert sorted(calls) == [90, 120, 120, 120]  # the test images, and three training sets of two seeds each


def test_images_of_a_mixed_set_are_not_taken_for_those_of_a_whole_one(subject: Subject) -> None:
    b = bench(subject, replace(PLAN, seeds=2))
    whole, half = (grid._prepared(cell(portion=portion), b, lambda epoch: None)[1] for portion in (None, 0.5))
    assert (whole.data.images.numpy() == subject.protected["protected"]).all()
    assert 0 < (half.data.images.numpy() != subject.protected["protected"]).any((1, 2, 3)).sum() <= 60


@pytest.mark.parametrize("portion", [0.001, 0.999])
def test_a_sweep_of_few_samples_leaves_one_for_the_control(portion: float, subject: Subject) -> None:
    pixels, index = grid.training_set(cell(portion=portion, train_on="clean-part"), bench(subject))
    assert len(pixels) == len(index) == (119 if portion < 0.5 else 1)


@pytest.mark.parametrize("change", ["labels", "names"])
def test_kept_cells_are_of_these_labels(change: str, subject: Subject, tmp_path: Path) -> None:
    clean, test = subject.clean, subject.test
    other = replace(subject, clean=replace(clean, labels=(clean.labels + 1) % 3))
    if change == "names":
        swapped = clean.names[::-1]
        other = replace(subject, clean=replace(clean, names=swapped), test=replace(test, names=swapped))
    each = [auditing._bench(s, PLAN, Post()) for s in (subject, other)]
    paths = [auditing._path(tmp_path, cell(), b, auditing._digests(b)) for b in each]
    assert paths[0] != paths[1]


def test_sharing_keeps_within_its_room(subject: Subject) -> None:
    size = subject.clean.images.nbytes
    shared = Purified(2 * size)
    for name in ("a", "b", "a", "c"):
        shared.images(NoDefense(), name, lambda: torch.from_numpy(subject.clean.images))
    assert [name for _, name in shared.kept] == ["a", "c"]
