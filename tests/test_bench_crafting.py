"""The benches of crafting, audits, scaling and start-up run and say what they should; never a time."""

from pathlib import Path

import pytest
from bench_quick import quick


def test_crafting(tmp_path: Path) -> None:
    found = quick("crafting", tmp_path)
    forward = found["forward_gflop_an_image"]
    assert 0.01 < forward < 0.1
    assert set(found["limit_gflop_a_core_second"]) == {"float32", "bfloat16"}
    for rows, steps in (("sample-wise", 4), ("class-wise", 1)):
        phases = found[rows]
        assert abs(phases["noise"]["gflop"] - 64 * steps * 2 * forward) < 0.5
        for side in ("reference", "fast"):
            parts = sum(phases[phase][side]["cpu_seconds"] for phase in ("noise", "surrogate", "stop test"))
            assert parts <= phases["total"][side]["cpu_seconds"] + 0.05
            assert phases["noise"][side]["share_of_limit"] > 0


def test_amortized(tmp_path: Path) -> None:
    found = quick("amortized", tmp_path)
    assert set(found) == {"settings", "machine", "cost", "all", "parts"}
    em, ours = (found["cost"][name] for name in ("em", "amortized 0.5"))
    assert {"seconds", "cpu_seconds", "rounds", "cpu_ms_an_extra_image"} == set(em) == set(ours) - {"pays_from_images"}
    assert em["rounds"] == ours["rounds"] == 2
    assert set(found["all"]) == {"clean", "random", "em", "amortized 0.5"}
    assert all(0 <= value <= 1 for value in found["all"].values())
    parts = found["parts"]["amortized 0.5"]
    assert set(parts) == {"share (60 images)", "rest (60 images)"}
    assert all(set(part) == {"clean", "random", "amortized 0.5"} for part in parts.values())


def test_side_by_side(tmp_path: Path) -> None:
    found = quick("side_by_side", tmp_path)
    assert set(found["seconds"]) == {"one after the other", "side by side"}
    assert len(found["ratio_by_round"]) == found["settings"]["rounds"] == 1
    assert found["ratio"] > 0


def test_audit(tmp_path: Path) -> None:
    found = quick("audit", tmp_path)
    assert found["float32"]["samples_a_second"] > 0
    assert found["bfloat16"]["gflop_a_second"] > 0


# That processes write the same bytes in float32 is also what crafting/test_workers.py is about.
@pytest.mark.parametrize("precision", ["bfloat16", pytest.param("float32", marks=pytest.mark.slow)])
def test_processes_write_the_same_bytes(precision: str, tmp_path: Path) -> None:
    found = quick("scaling", tmp_path, "--precision", precision)
    assert found["equal_bytes"]
    assert found["exchanged_bytes_a_round"] == 128 * 3 * 32 * 32


def test_startup(tmp_path: Path) -> None:
    found = quick("startup", tmp_path)
    names = ("--help", "ls", "ls methods", "validate em.yaml", "show em")
    assert set(found) == {"settings", "machine", "bare interpreter", *(f"unlearn {name}" for name in names)}
    for name in names:
        figures = found[f"unlearn {name}"]
        assert figures["heavy"] == []
        assert figures["modules"] > found["bare interpreter"]["modules"]
        assert min(figures["seconds"], figures["best_seconds"], figures["cpu_seconds"]) > 0


def test_prescreen(tmp_path: Path) -> None:
    found = quick("prescreen", tmp_path)
    assert set(found["victims"]) == {"prescreen_airbench94", "small_cnn"}
    assert found["victims"]["prescreen_airbench94"]["training_gflop_an_image"] == pytest.approx(0.708, abs=0.002)
    for figures in found["victims"].values():
        assert len(figures["clean_test_accuracy"]) == len(figures["train_accuracy"]) == 1
        assert figures["cpu_seconds"] > 0
