"""The benches of large sets, growth and precision run and say what they should; never a time."""

from pathlib import Path

from bench_quick import quick


def test_quick(tmp_path: Path) -> None:
    found = quick("stream", tmp_path, str(tmp_path / "sets"))
    assert found["equal_bytes"]
    assert found["images"] == found["settings"]["images"] == 60
    assert found["decoded_mb"] == round(60 * 3 * 32 * 32 / 1e6, 1)
    phases = {"open", "open and craft", "craft"}
    for side in ("mapped", "resident"):
        assert found[side]["mapped"] == (side == "mapped")
        assert found[side]["images_a_second"] > 0
        assert set(found[side]["seconds"]) == phases
    assert set(found["mapped_over_resident"]) == phases
    assert all(len(each["seconds_by_round"]) == 1 for each in found["mapped_over_resident"].values())
    assert "peak_mb_of_half_mapped" in found


def test_quick_growth(tmp_path: Path) -> None:
    found = quick("growth", tmp_path, str(tmp_path / "sets"))
    assert [(each["images"], each["shards"]) for each in found["sizes"]] == [(60, 1), (120, 1)]
    assert [(each["images"], each["shards"]) for each in found["shards"]] == [(60, 1), (60, 2)]
    assert all(each["mapped"] for each in found["sizes"] + found["shards"])
    assert found["equal_bytes"]
    assert found["sizes"][1]["images_ratio"] == 2.0
    assert len(list((tmp_path / "sets" / "set-60-2" / "data").iterdir())) == 2


def test_quick_precision(tmp_path: Path) -> None:
    found = quick("precision", tmp_path, str(tmp_path / "sets"))
    assert set(found["accuracy"]) == {"clean", "random", "demo reference", "demo fast"}
    assert all(len(each) == 1 and 0 <= each[0] <= 1 for each in found["accuracy"].values())
    difference = found["accuracy"]["demo fast"][0] - found["accuracy"]["demo reference"][0]
    assert abs(found["mean_difference"]["demo"] - difference) < 1e-3
