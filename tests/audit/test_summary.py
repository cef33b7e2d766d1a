"""The summary's figures against values worked out by hand, and a verdict that follows them."""

import math
from typing import Any

import pytest
from scipy import stats

from unlearn.audit import summary


def row(train_on: str, accuracy: Any, seed: int = 0, **other: Any) -> dict[str, Any]:
    plain = {"defense": "none", "victim": "resnet18", "train_accuracy": 0.99, "seconds": 1.0}
    peak = other.pop("peak", accuracy)
    figures = {"clean_test_accuracy": accuracy, "peak_clean_test_accuracy": peak}
    return {"train_on": train_on, "seed": seed, **plain, **figures, **other}


def grid(clean: float, random: float, protected: float, **other: Any) -> list[dict[str, Any]]:
    accuracies = {"clean": clean, "random": random, "protected": protected}
    return [row(name, accuracy, **other) for name, accuracy in accuracies.items()]


def verdict(rows: list[dict[str, Any]], chance: float = 0.1, **other: Any) -> list[str]:
    return summary.verdict({"rows": rows, "chance": chance, **other})


def test_means_without_a_defense_are_of_the_first_victim() -> None:
    rows = [
        *grid(0.7, 0.71, 0.2),
        *grid(0.5, 0.5, 0.4, victim="vgg11"),
        *grid(0.1, 0.1, 0.1, defense="jpeg-10"),
    ]
    found = summary.summarize(rows, 0.1)
    assert (found["clean"], found["random"], found["protected"]) == (0.7, 0.71, 0.2)
    assert found["victim"] == "resnet18"


def test_the_mean_is_over_seeds_and_a_repeated_seed_counts_once() -> None:
    rows = [row("protected", 0.2, 0), row("protected", 0.3, 1), row("protected", 0.3, 1)]
    found = summary.summarize(rows, 0.1)
    assert found["protected"] == pytest.approx(0.25)
    assert found["seeds"] == 2


def test_interval_is_student_t() -> None:
    values = [0.20, 0.23, 0.21]
    found = summary.summarize([row("protected", v, s) for s, v in enumerate(values)], 0.1)
    expected = stats.t.interval(0.95, 2, loc=sum(values) / 3, scale=stats.sem(values))
    assert found["protected_interval"] == pytest.approx(list(expected))


def test_one_seed_has_no_interval_and_missing_sets_are_null() -> None:
    found = summary.summarize([row("protected", 0.2)], 0.1)
    assert found["protected_interval"] is None
    assert found["clean"] is found["random"] is found["protection"] is found["gap_to_clean"] is None


@pytest.mark.parametrize("missing", [None, math.nan, math.inf])
def test_a_run_without_a_number_is_missing(missing: float | None) -> None:
    rows = [row("protected", missing, 0), row("protected", 0.3, 1), row("clean", missing)]
    found = summary.summarize(rows, 0.1)
    assert (found["protected"], found["seeds"], found["clean"]) == (0.3, 1, None)


def test_no_rows_at_all() -> None:
    found = summary.summarize([], 0.1)
    assert found["protected"] is found["worst_case"] is found["worst_defense"] is None
    assert len(verdict([])) == 3


def test_worst_case_is_the_highest_mean_not_the_highest_run() -> None:
    rows = grid(0.7, 0.7, 0.2)
    rows += [row("protected", v, s, defense="jpeg-75") for s, v in enumerate((0.5, 0.5))]
    rows += [row("protected", v, s, defense="mixup") for s, v in enumerate((0.6, 0.1))]
    found = summary.summarize(rows, 0.1)
    assert (found["worst_case"], found["worst_defense"]) == (0.5, "jpeg-75")


def test_of_equal_worst_cases_the_first_is_named() -> None:
    rows = [row("protected", 0.3), row("protected", 0.3, defense="mixup")]
    assert summary.summarize(rows, 0.1)["worst_defense"] == "none"


def test_worst_case_looks_at_all_victims_and_names_them_apart() -> None:
    rows = [*grid(0.7, 0.7, 0.2), *grid(0.8, 0.8, 0.45, victim="vgg11", defense="gray")]
    found = summary.summarize(rows, 0.1)
    assert (found["worst_case"], found["worst_defense"], found["worst_victim"]) == (0.45, "gray", "vgg11")
    assert found["gap_to_clean"] == pytest.approx(0.35)
    assert found["worst_protection"] == pytest.approx(0.5)


def test_worst_peak_is_searched_on_its_own() -> None:
    rows = [row("protected", 0.2, peak=0.5), row("protected", 0.3, peak=0.31, defense="mixup")]
    found = summary.summarize(rows, 0.1)
    assert (found["worst_case"], found["worst_defense"]) == (0.3, "mixup")
    assert (found["worst_peak"], found["worst_peak_defense"]) == (0.5, "none")


def test_protection_is_one_at_chance_and_zero_at_clean() -> None:
    assert summary.summarize(grid(0.7, 0.7, 0.1), 0.1)["protection"] == pytest.approx(1)
    assert summary.summarize(grid(0.7, 0.7, 0.7), 0.1)["protection"] == pytest.approx(0)
    assert summary.summarize(grid(0.1, 0.1, 0.1), 0.1)["protection"] is None


def test_further_sets_have_a_summary_of_their_own() -> None:
    rows = [*grid(0.7, 0.7, 0.2), row("protected:b", 0.3), row("protected:b", 0.6, defense="jpeg-75")]
    found = summary.summarize(rows, 0.1)
    assert found["worst_case"] == 0.2
    assert found["sets"]["protected:b"]["protected"] == 0.3
    assert found["sets"]["protected:b"]["worst_defense"] == "jpeg-75"


def test_the_table_shows_pairs_that_were_not_run() -> None:
    rows = [*grid(0.7, 0.7, 0.2), row("protected", 0.6, defense="jpeg-75", victim="vgg11")]
    lines = {(line.defense, line.victim): line for line in summary.table({"rows": rows, "chance": 0.1})}
    assert len(lines) == 4
    assert lines["none", "vgg11"].last["protected"] is None
    assert lines["jpeg-75", "vgg11"].last["clean"] is None
    assert [place for place, line in lines.items() if line.worst] == [("jpeg-75", "vgg11")]


def test_verdict_of_a_protection_that_a_defense_undoes() -> None:
    rows = [
        *grid(0.7, 0.712, 0.212),
        *grid(0.68, 0.69, 0.6, defense="jpeg-75"),
        *grid(0.6, 0.6, 0.2, defense="x"),
    ]
    first, second, third = verdict(rows, not_run=["diffusion purification"])
    assert "21.2 %" in first
    assert "70.0 %" in first
    assert "guessing gives 10 %" in first
    assert "works" in first
    assert "71.2 %" in second
    assert "not the noise" in second
    assert "worst of the 2 defenses tried is jpeg-75" in third
    assert "60.0 %" in third
    assert "68.0 %" in third
    assert "does not hold against jpeg-75" in third
    assert third.endswith("not tried: diffusion purification.")


@pytest.mark.parametrize("protected", [0.65, 0.41])
def test_verdict_says_when_nothing_is_protected(protected: float) -> None:
    first, second, third = verdict([*grid(0.7, 0.7, protected), *grid(0.6, 0.6, 0.1, defense="mixup")])
    assert "not protected" in first
    assert "works" not in first
    assert "that protects" not in second
    assert "does not hold" in third


@pytest.mark.parametrize(
    ("noise", "words"),
    [
        (0.70, "and not the noise"),
        (0.25, "mere noise"),
        (0.2, "no more than noise"),
        (0.1, "no more than noise"),
    ],
)
def test_verdict_compares_with_random_noise(noise: float, words: str) -> None:
    assert words in verdict(grid(0.7, noise, 0.2))[1]


def test_verdict_of_a_protection_that_holds() -> None:
    third = verdict([*grid(0.7, 0.7, 0.12), *grid(0.7, 0.7, 0.11, defense="mixup")])[2]
    assert "does not raise this" in third
    assert "holds against what was tried" in third


def test_the_verdict_is_about_the_defense_under_which_least_is_lost() -> None:
    """JPEG leaves little of either: 29.5 of 35 % is below 30 of 90 %, and all the same it undoes the protection."""
    rows = [*grid(0.9, 0.9, 0.3), *grid(0.35, 0.34, 0.295, defense="jpeg-10"), *grid(0.12, 0.1, 0.12, defense="blur")]
    found = summary.summarize(rows, 0.1)
    assert (found["worst_defense"], found["least_protection_defense"]) == ("none", "jpeg-10")
    assert found["least_protection"] == pytest.approx(0.055 / 0.25)
    third = verdict(rows)[2]
    assert "least is lost with jpeg-10: 29.5 % (trained on clean images in the same way: 35.0 %)" in third
    assert "this protection does not hold against jpeg-10" in third


def test_verdict_claims_nothing_when_even_clean_images_teach_nothing() -> None:
    text = " ".join(verdict([*grid(0.12, 0.12, 0.1), *grid(0.13, 0.1, 0.1, defense="mixup")]))
    assert "hardly learned" in text
    assert "not known whether the protection holds" in text
    assert "works" not in text
    assert "that protects" not in text


def test_verdict_claims_nothing_without_controls_or_defenses() -> None:
    first, second, third = verdict([row("protected", 0.2)])
    assert "not known" in first
    assert "was not tried" in second
    assert "No defense was tried" in third
    assert "holds" not in third


def test_verdict_counts_runs() -> None:
    assert "single training run" in verdict(grid(0.7, 0.7, 0.2))[0]
    three = [r for seed in range(3) for r in grid(0.7, 0.7, 0.2 + seed / 100, seed=seed)]
    assert "means of 3 training runs" in verdict(three)[0]


def test_verdict_says_when_runs_differ_too_much() -> None:
    apart = [r for seed in range(2) for r in grid(0.7, 0.7, 0.1 + seed / 10, seed=seed)]
    assert "differ a lot" in verdict(apart)[0]


def test_verdict_tells_of_a_high_peak() -> None:
    rows = grid(0.7, 0.7, 0.2)
    rows[2]["peak_clean_test_accuracy"] = 0.45
    assert "best moment" in verdict(rows)[2]
    assert "45.0 %" in verdict(rows)[2]
