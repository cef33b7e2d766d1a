"""Detection: a planted noise is found, no noise is not, and a row depends on nothing but its coordinates."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import make_dataset

from unlearn import recipe_check
from unlearn.audit import detection, page, report_markdown, residuals
from unlearn.audit import run as auditing
from unlearn.audit.cells import Bench
from unlearn.audit.plan import AuditPlan
from unlearn.audit.run import Post, Subject
from unlearn.datasets import ImageDataset
from unlearn.errors import Interrupted
from unlearn.settings import SGD, Training
from unlearn.signals import StopRequest

PLAN = AuditPlan(
    victims=("small_cnn",),
    seeds=1,
    training=Training(epochs=1, batch_size=40, sgd=SGD(lr=0.05, clip=1.0), augment=()),
    detection=True,
)


def planted(data: ImageDataset) -> np.ndarray:
    """Obvious noise: the same checkerboard of +-12 levels on every image."""
    board = np.indices(data.images.shape[2:]).sum(0) % 2 * 24 - 12
    return (data.images.astype(int) + board).clip(0, 255).astype(np.uint8)


@pytest.fixture
def subject() -> Subject:
    data = make_dataset(160)
    return Subject(data, {"protected": planted(data)}, make_dataset(30, seed=5), 12 / 255)


def bench(subject: Subject) -> Bench:
    return auditing._bench(subject, PLAN, Post())


def detected(subject: Subject, train_on: str = "protected") -> dict[str, float]:
    b = bench(subject)
    found = [detection.run(trial, b) for trial in detection.trials(b.sets, PLAN) if trial.train_on == train_on]
    return {row["detector"]: row["accuracy"] for row in found}


def test_obvious_noise_is_detected_by_every_detector(subject: Subject) -> None:
    found = detected(subject)
    assert set(found) == {"linear_pixels", "linear_residuals", "small_cnn"}
    assert min(found.values()) > 0.95, found


def test_identical_sets_are_told_apart_by_nobody(subject: Subject) -> None:
    found = detected(replace(subject, protected={"protected": subject.clean.images}))
    assert all(abs(accuracy - 0.5) < 0.02 for accuracy in found.values()), found


def test_pixels_do_not_give_away_noise_that_has_no_pattern(subject: Subject) -> None:
    assert abs(detected(subject, "random")["linear_pixels"] - 0.5) < 0.1


def test_no_sample_is_in_both_halves_and_classes_are_even(subject: Subject) -> None:
    halves = detection._halves(bench(subject), subject.protected["protected"], 0)
    keys = [set(part.keys.tolist()) for part in (halves.train, halves.test)]
    assert not keys[0] & keys[1]
    assert len(keys[0] | keys[1]) == len(subject.clean)
    by_key = dict(zip(subject.clean.keys.tolist(), subject.clean.labels.tolist(), strict=True))
    for part, mine in zip((halves.train, halves.test), keys, strict=True):
        assert part.labels.double().mean() == 0.5
        counts = np.bincount([by_key[key] for key in mine])
        assert counts.max() - counts.min() <= 1


def test_only_changed_samples_count(subject: Subject) -> None:
    half = subject.protected["protected"].copy()
    half[80:] = subject.clean.images[80:]
    halves = detection._halves(bench(subject), half, 0)
    kept = set(halves.train.keys.tolist()) | set(halves.test.keys.tolist())
    assert kept == set(subject.clean.keys[:80].tolist())


def test_the_halves_do_not_depend_on_the_order_of_the_data(subject: Subject) -> None:
    order = np.random.default_rng(1).permutation(len(subject.clean))
    mixed = replace(
        subject, clean=subject.clean.take(order), protected={"protected": subject.protected["protected"][order]}
    )
    halves = [detection._halves(bench(s), s.protected["protected"], 0) for s in (subject, mixed)]
    assert halves[0].train.keys.sort()[0].tolist() == halves[1].train.keys.sort()[0].tolist()
    assert sorted(halves[0].test.keys.tolist()) == sorted(halves[1].test.keys.tolist())


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the detector that costs nothing, and no victims' epochs to wait for."""
    monkeypatch.setattr(detection, "DETECTORS", {"linear_residuals": detection.DETECTORS["linear_residuals"]})


def figures(results: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(r["detector"], r["train_on"], r["seed"], r["accuracy"], r["n"]) for r in results["detection"]]


@pytest.mark.usefixtures("light")
def test_rows_do_not_depend_on_the_number_of_processes(subject: Subject, tmp_path: Path) -> None:
    plan = replace(PLAN, seeds=2)
    for rank in (0, 1):
        auditing.audit(subject, plan, tmp_path / "two", Post(rank=rank, world=2))
    auditing.audit(subject, plan, tmp_path / "one")
    shared, alone = (auditing.finish(subject, plan, tmp_path / name) for name in ("two", "one"))
    assert figures(shared) == figures(alone)
    assert len(alone["detection"]) == 4


@pytest.mark.usefixtures("light")
def test_rows_are_kept_and_a_stop_leaves_after_one(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auditing.audit(subject, replace(PLAN, detection=False), tmp_path)
    with pytest.raises(Interrupted):
        auditing.audit(subject, PLAN, tmp_path, Post(stop=StopRequest(True)))
    auditing.audit(subject, PLAN, tmp_path)
    monkeypatch.setattr(detection, "run", None)
    auditing.audit(subject, PLAN, tmp_path)
    results = auditing.finish(subject, PLAN, tmp_path)
    assert json.loads((tmp_path / "results.json").read_text())["detection"] == results["detection"]
    assert results["detection"][0].keys() >= {"detector", "train_on", "accuracy", "n", "seed"}


@pytest.mark.usefixtures("light")
def test_without_the_plans_word_nothing_is_detected(subject: Subject, tmp_path: Path) -> None:
    assert not AuditPlan().detection
    plan = replace(PLAN, detection=False)
    auditing.audit(subject, plan, tmp_path)
    assert "detection" not in auditing.finish(subject, plan, tmp_path)


@pytest.mark.usefixtures("light")
def test_the_report_says_it_in_plain_words(subject: Subject, tmp_path: Path) -> None:
    auditing.audit(subject, PLAN, tmp_path)
    results = auditing.finish(subject, PLAN, tmp_path)
    for text in (page.render(results), report_markdown.render(results)):
        assert "Nobody can promise noise that goes undetected" in text
        assert "linear model on statistics of residuals" in text
    line = next(x for x in report_markdown.render(results).splitlines() if x.startswith("| protected | 100.0 %"))
    assert "1 seed" in line


@pytest.mark.parametrize("name", ["standard", "full", "small-full", "small-grid"])
def test_large_audits_ask_for_it(name: str) -> None:
    assert recipe_check.load_audit(f"audits/{name}").detection


def test_the_linear_model_on_statistics_against_a_known_line() -> None:
    """Two Gaussian clouds two deviations apart: Bayes' error is 16 %."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(4000) % 2
    rows = torch.randn(4000, 5, generator=generator, dtype=torch.float64) * 3
    rows[:, 2] += labels * 6
    scores = residuals.fitted(rows[:2000], labels[:2000])(rows[2000:])
    assert ((scores > 0) == (labels[2000:] == 1)).double().mean() == pytest.approx(0.841, abs=0.02)


@pytest.mark.parametrize("channels", [1, 3])
def test_statistics_are_finite_for_gray_and_color(channels: int) -> None:
    images = torch.randint(0, 256, (3, channels, 8, 8), dtype=torch.uint8)
    images[0] = 0
    assert residuals.statistics(images).isfinite().all()
    assert torch.equal(residuals.statistics(images)[1:2], residuals.statistics(images[1:2]))
