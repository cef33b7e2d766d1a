"""The arithmetic of matching, against cases that can be counted by hand, and the rows and lines made of it."""

import math

import numpy as np
import pytest

from unlearn.audit import face_adapter, face_lines, face_rows, gallery
from unlearn.audit.face_plan import Adapter
from unlearn.audit.face_rows import CLEAN, EVERYBODY, ONE, PROTECTED, Gallery, Known
from unlearn.audit.gallery import Features

FACTS = {
    "recogniser": "toy",
    "white_box": False,
    "channel": "none",
    "attack": "1-NN",
    "who": ONE,
    "leak": 0.0,
    "seed": 0,
}


def unit(rows: object) -> Features:
    array = np.asarray(rows, dtype=np.float32)
    return np.asarray(array / np.linalg.norm(array, axis=1, keepdims=True))


def angle(*degrees: float) -> Features:
    return unit([(math.cos(math.radians(d)), math.sin(math.radians(d))) for d in degrees])


def crowd(people: int = 8, photos: int = 6, size: int = 32, shift: float = 8.0, spread: float = 0.25) -> Gallery:
    """People around centers of their own; protected photos are all moved by one and the same vector."""
    draws = np.random.default_rng(0)
    centers, moved = draws.normal(size=(people, size)), draws.normal(size=size)
    moved *= shift * math.sqrt(size) / np.linalg.norm(moved)
    known = []
    for number, center in enumerate(centers):
        clean = center + spread * draws.normal(size=(photos, size))
        probes = center + spread * draws.normal(size=(3, size))
        sets = {CLEAN: unit(clean), PROTECTED: unit(clean + moved)}
        known.append(Known(f"person {number}", unit(probes), sets))
    return Gallery(tuple(known), unit(draws.normal(size=(40, size))))


def test_a_rank_counts_the_others_that_are_at_least_as_near() -> None:
    probes, own = angle(0, 90), angle(20, 80)
    others = angle(5, 10, 70, 200)
    assert gallery.ranks(probes, own, others).tolist() == [3, 1]
    assert gallery.ranks(angle(0), angle(30), angle(30, -30)).tolist() == [3]  # ties are not the matcher's
    with pytest.raises(ValueError, match="without a photo"):
        gallery.ranks(probes, own[:0], others)


def test_accept_rates_at_a_threshold_from_impostors() -> None:
    draws = np.random.default_rng(1)
    probes, others = unit(draws.normal(size=(50, 16))), unit(draws.normal(size=(400, 16)))
    at = gallery.threshold([probes], [others], 1e-3)
    assert (probes @ others.T >= at).mean() == pytest.approx(1e-3, abs=2e-4)
    assert gallery.accepted(angle(0), angle(1, 20, 100), math.cos(math.radians(30))).tolist() == [pytest.approx(2 / 3)]


def test_photos_without_a_face_are_no_features() -> None:
    with_hole = np.vstack([angle(0), np.full((1, 2), np.nan, np.float32)])
    assert gallery.found(with_hole).shape == (1, 2)


def test_wilson_of_nothing_and_of_everything() -> None:
    low, high = gallery.wilson(0, 35)
    assert low == 0.0
    assert high == pytest.approx(0.0989, abs=1e-3)
    assert gallery.wilson(35, 35)[0] == pytest.approx(1 - 0.0989, abs=1e-3)
    assert gallery.interval([np.zeros(20), np.zeros(15)]) == (low, high)
    assert gallery.interval([np.array([0.0, 1.0])]) == gallery.wilson(1, 2)  # one person


def test_intervals_are_over_people_first() -> None:
    draws = np.random.default_rng(2)
    alike = [draws.permutation([1.0] * 5 + [0.0] * 5) for _ in range(20)]
    unlike = [np.full(10, float(i % 2)) for i in range(20)]
    narrow, wide = (np.ptp(gallery.interval(values)) for values in (alike, unlike))
    assert wide > 1.5 * narrow  # the same mean, but people differ
    assert np.ptp(gallery.interval(unlike)) == pytest.approx(4 * 0.5 / math.sqrt(20), rel=0.15)
    assert gallery.interval(alike, seed=3) == gallery.interval(alike, seed=3)


def test_a_difference_is_drawn_in_pairs() -> None:
    draws = np.random.default_rng(3)
    before = [(draws.random(10) < i / 20).astype(float) for i in range(20)]
    lower = [np.where(draws.random(10) < 0.9, each, 0.0) for each in before]
    gap, low, high = gallery.difference(before, lower)
    assert low < gap < high
    assert high - low < np.ptp(gallery.interval(before))
    same = gallery.difference(before, before)
    assert same[0] == 0.0
    assert same[1] < 0 < same[2]


def test_the_linear_probe_is_the_minimum_of_its_loss() -> None:
    draws = np.random.default_rng(4)
    labels = np.repeat(np.arange(3), 20)
    train = draws.normal(size=(3, 5))[labels] + 0.3 * draws.normal(size=(60, 5))
    weights = gallery.fit_linear(train, labels, 3, None)
    ones = np.hstack([train, np.ones((60, 1))])
    scores = np.exp(ones @ weights)
    gradient = ones.T @ (scores / scores.sum(1, keepdims=True) - np.eye(3)[labels])
    gradient[:-1] += weights[:-1]
    assert np.abs(gradient).max() < 1e-3
    ranks, start = gallery.linear_ranks(train.astype(np.float32), labels, train[:20].astype(np.float32), 0)
    assert (ranks == 1).all()
    again, _ = gallery.linear_ranks(train.astype(np.float32), labels, train[40:].astype(np.float32), 0, start)
    assert (again > 1).all()


def test_one_user_protects_among_clean_others() -> None:
    scene = crowd()
    clean, protected = (face_rows.nearest(scene, name) for name in (CLEAN, PROTECTED))
    assert all((ranks == 1).all() for ranks in clean.ranks.values())
    assert np.mean([ranks > 1 for ranks in protected.ranks.values()]) > 0.8
    assert np.mean([a.mean() for a in clean.accepted.values()]) > 0.9
    together = face_rows.nearest(scene, PROTECTED, EVERYBODY)
    assert np.mean([r == 1 for r in together.ranks.values()]) >= np.mean([r == 1 for r in protected.ranks.values()])
    assert set(face_rows.nearest(scene, PROTECTED, only=["person 2"]).ranks) == {"person 2"}


def test_leaks_are_clean_photos_in_the_user_gallery() -> None:
    scene = crowd()
    user = scene.people[0]
    for share, count in ((0.0, 0), (0.05, 1), (0.2, 2), (0.5, 3), (1.0, 6)):
        mixed = face_rows.leaked(user, PROTECTED, share)
        assert (mixed == user.sets[CLEAN]).all(axis=1).sum() == count
    assert all((ranks == 1).all() for ranks in face_rows.nearest(scene, PROTECTED, leak=0.5).ranks.values())


def test_faces_not_found_are_counted_and_protect_nobody() -> None:
    scene = crowd(people=3)
    hidden = np.full_like(scene.people[0].sets[PROTECTED], np.nan)
    partly = scene.people[1].sets[PROTECTED].copy()
    partly[:2] = np.nan
    people = tuple(
        Known(p.name, p.probes, {**p.sets, PROTECTED: changed})
        for p, changed in zip(scene.people, (hidden, partly, scene.people[2].sets[PROTECTED]), strict=True)
    )
    scene = Gallery(people, scene.distractors)
    made = face_lines.row(face_rows.nearest(scene, PROTECTED), scene, {**FACTS, "set": PROTECTED}, 58)
    assert (made["people"], made["not_found"], made["people_not_found"]) == (2, 8, 1)
    assert set(made["by_person"]) == {"person 1", "person 2"}
    assert face_rows.linear(scene, PROTECTED).ranks.keys() == {"person 1", "person 2"}


def test_an_adapter_that_knows_the_tool_undoes_one_and_the_same_shift() -> None:
    scene = crowd(people=12)
    held = ["person 0", "person 1", "person 2"]
    before = face_rows.nearest(scene, PROTECTED, only=held)
    made = face_adapter.adapted(scene, held, Adapter(steps=200, lr=5e-3, decay=1e-3), seed=0)
    assert made is not None
    after = face_rows.nearest(made, PROTECTED, only=held)
    rates = [np.mean([ranks == 1 for ranks in outcome.ranks.values()]) for outcome in (before, after)]
    assert rates[0] < 0.2
    assert rates[1] > 0.7
    assert face_adapter.adapted(crowd(people=2), ["person 0"], Adapter(), 0) is None


def test_lines_join_seeds_and_the_worst_is_named() -> None:
    scene, rows = crowd(), []
    for seed in range(2):
        for leak in (0.0, 0.5):
            for name in (CLEAN, PROTECTED):
                facts = {**FACTS, "seed": seed, "leak": leak, "set": name}
                rows.append(face_lines.row(face_rows.nearest(scene, name, leak=leak), scene, facts, 88))
    white = [{**each, "recogniser": "own", "white_box": True, "ranks": rows[0]["ranks"]} for each in rows[:2]]
    made = face_lines.lines([*rows, *white])
    assert [line.sets[PROTECTED].seeds for line in made] == [2, 2, 1]
    assert face_lines.worst(made, leak=False) is made[0]
    assert face_lines.worst(made) is made[1]
    assert made[1].title == "toy, 1-NN, 50% of the gallery clean"
    assert made[0].gap is not None
    assert made[0].gap[1] > 0.5
    summary = face_lines.summarize([*rows, *white])
    assert summary["worst_case"]["row"] == "toy, 1-NN"
    assert summary["gap"] == pytest.approx(summary["clean"] - summary["protected"])
    assert summary["white_box"]["white_box"] is True
    told = face_lines.verdict({"rows": rows, "not_run": ["x"]})
    assert "points fewer" in told[0]
    assert "no difference" in told[1]
    assert any("8 people" in sentence for sentence in told)
