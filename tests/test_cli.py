"""Commands end to end, as a user calls them: craft, audit, release, verify, and the machine-readable ways."""

import json
from pathlib import Path

import pytest
from conftest import FAST, ROOT, unlearn

from unlearn import __version__, doctor, expectations, publish
from unlearn import run as runs
from unlearn.errors import DataError
from unlearn.recipe_schema import Expected

QUICK = ("data.train_images=120", "data.test_images=60", "audit.training.epochs=1", "audit.defenses=[none]")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "run"
    done = unlearn("craft", "demo-sample", *QUICK, *FAST, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def test_a_run_holds_what_the_readme_says(run: Path) -> None:
    assert {p.name for p in run.iterdir()} == {"perturbation.safetensors", "recipe.yaml", "run.json", "log.jsonl"}
    events = [json.loads(line)["event"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert events[0] == "start"
    assert events[-2:] == ["stopped", "worked"]  # why crafting ended, then what it took


def test_the_resolved_recipe_runs_again_to_the_same_bytes(run: Path, tmp_path: Path) -> None:
    again = unlearn("craft", run / "recipe.yaml", "--out", tmp_path / "again")
    assert again.returncode == 0, again.stderr
    name = "perturbation.safetensors"
    assert (tmp_path / "again" / name).read_bytes() == (run / name).read_bytes()


def test_a_run_names_its_clean_data_itself(run: Path, tmp_path: Path) -> None:
    done = unlearn("audit", run, "--clean", "demo", "--out", tmp_path / "audit")
    assert done.returncode == 2
    assert done.stderr == f"{run}: a run names its clean data itself; --clean is for a release or a foreign set\n"
    assert not (tmp_path / "audit").exists()


@pytest.mark.parametrize("form", ["parquet", "imagefolder"])
def test_audit_release_verify(run: Path, form: str, tmp_path: Path) -> None:
    audit = unlearn("audit", run, "--out", tmp_path / "audit")
    assert audit.returncode == 0, audit.stderr
    assert "accuracy on clean test images" in audit.stdout
    released = unlearn("release", run, "--out", tmp_path / "out", "--format", form, "--audit", tmp_path / "audit")
    assert released.returncode == 0, released.stderr
    assert "random" in (tmp_path / "out" / "README.md").read_text()
    assert unlearn("verify", tmp_path / "out", "--source", run).returncode == 0
    of_release = unlearn("audit", tmp_path / "out", "--clean", run, "--out", tmp_path / "again")
    assert of_release.returncode == 0, of_release.stderr
    rows = [json.loads((tmp_path / n / "results.json").read_text())["rows"] for n in ("audit", "again")]
    assert [r["clean_test_accuracy"] for r in rows[0]] == [r["clean_test_accuracy"] for r in rows[1]]
    victim = next(p for p in (tmp_path / "out").rglob("*") if p.suffix in (".png", ".parquet"))
    victim.write_bytes(victim.read_bytes()[:-1] + b"x")
    broken = unlearn("verify", tmp_path / "out")
    assert broken.returncode == 1
    assert victim.name in broken.stdout


def test_the_release_holds_no_seed_path_or_source_hash(run: Path, tmp_path: Path) -> None:
    assert unlearn("release", run, "--out", tmp_path / "out").returncode == 0
    secret = json.loads((run / "run.json").read_text())
    everything = b"".join(p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file())
    for value in (secret["recipe_hash"], secret["data_fingerprint"], str(tmp_path), "seed:", str(ROOT)):
        assert value.encode() not in everything, value


def test_verify_needs_no_test_split_that_is_not_released(run: Path, tmp_path: Path) -> None:
    assert unlearn("release", run, "--no-test", "--out", tmp_path / "out").returncode == 0
    assert publish.verify(tmp_path / "out", run, ["data.test=nowhere"]) == []


RESULTS = {"version": 1, "name": "demo-sample", "method": "em", "epsilon": 8 / 255, "summary": {}, "rows": []}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "tap"}, "the audit of another run (method tap, here em)"),
        ({"epsilon": 0.5, "name": "b"}, "name b, here demo-sample; epsilon 0.5"),
        ({"version": 9}, "or one of another version of this program"),
        ({"rows": 3}, "not the results.json of an audit"),
        ({"rows": [3]}, "not the results.json of an audit"),
        ({"summary": []}, "not the results.json of an audit"),
    ],
)
def test_an_audit_of_something_else_does_not_get_into_the_card(
    changes: dict[str, object], said: str, run: Path, tmp_path: Path
) -> None:
    made = runs.load(run)
    results = {**RESULTS, "data_fingerprint": made.saved.origin.data_fingerprint, "rows": [{"defense": "none"}]}
    (tmp_path / "results.json").write_text(json.dumps(results))
    assert publish.read_results(tmp_path, made) == results
    (tmp_path / "results.json").write_text(json.dumps(results | changes))
    with pytest.raises(DataError) as error:
        publish.read_results(tmp_path, made)
    assert said in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_results_of_other_data_are_refused_before_anything_is_written(run: Path, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps(RESULTS | {"data_fingerprint": "f00", "rows": [{}]}))
    done = unlearn("release", run, "--audit", tmp_path / "results.json", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "data_fingerprint f00, here" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_release_is_not_put_into_a_run(run: Path) -> None:
    done = unlearn("release", run, "--out", run / "inner" / "release")
    assert done.returncode == 2
    assert "whose noise undoes the protection" in done.stderr
    assert not (run / "inner").exists()


def test_a_released_set_with_clean_images_is_not_called_free_of_them(tmp_path: Path) -> None:
    half = ("target.portion=0.5", "--out", tmp_path / "run")
    assert unlearn("craft", "demo-sample", *QUICK, *FAST, *half).returncode == 0
    done = unlearn("release", tmp_path / "run", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "50% of its training images are clean, as its recipe says" in done.stdout
    assert "no perturbation, seed or clean" not in done.stdout


def test_the_version_is_told() -> None:
    assert unlearn("--version").stdout.strip() == __version__


def test_json_lines_are_json(tmp_path: Path) -> None:
    done = unlearn("craft", "demo-sample", *QUICK, *FAST, "--json", "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert "round" in events


def test_reproduce_leaves_with_1_outside_what_is_expected(tmp_path: Path) -> None:
    done = unlearn("reproduce", "demo-sample", *QUICK, *FAST, "--out", tmp_path / "out")
    assert done.returncode == 1, done.stderr
    assert "clean: " in done.stderr
    assert "expected at least 0.85" in done.stderr
    assert (tmp_path / "out" / "release" / "README.md").exists()
    again = unlearn("reproduce", "demo-sample", *QUICK, *FAST, "--out", tmp_path / "out")
    assert "done already" in again.stderr


@pytest.mark.parametrize(
    ("expected", "holds"),
    [
        (Expected(at_least=0.6), True),
        (Expected(at_least=0.8), False),
        (Expected(at_most=0.7), True),
        (Expected(at_most=0.6), False),
        (Expected(within=0.1, of="clean"), True),
        (Expected(within=0.01, of="clean"), False),
    ],
)
def test_expectations(expected: Expected, holds: bool) -> None:
    assert all(ok for _, ok in expectations._wishes(expected, "random", {"random": 0.65, "clean": 0.7})) == holds


def test_a_figure_that_was_not_measured_does_not_hold() -> None:
    assert not all(ok for _, ok in expectations._wishes(Expected(at_most=1.0), "protected", {"clean": 0.7}))


def test_doctor_on_this_machine() -> None:
    found = doctor.examine()
    assert found["healthy"], found["problems"]
    assert "cpu" in found["devices"]
    assert "torch" in doctor.text(found)


def test_doctor_names_a_broken_pair_and_the_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PAIR", "raise RuntimeError('operator torchvision::nms does not exist')")
    found = doctor.examine()
    assert not found["healthy"]
    assert "nms does not exist" in found["problems"][0]
    assert "pip install" in found["problems"][0]


@pytest.mark.parametrize("room", ["methods", "defenses", "sources", "victims", "recipes"])
def test_ls_prints_one_name_a_line(room: str) -> None:
    done = unlearn("ls", room)
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert len(names) == len(set(names)) >= 3
    assert unlearn("show", names[0]).returncode == 0


def test_cp_does_not_overwrite(tmp_path: Path) -> None:
    target = tmp_path / "mine.yaml"
    assert unlearn("cp", "demo", target).returncode == 0
    target.write_text("precious")
    done = unlearn("cp", "demo", target)
    assert (done.returncode, target.read_text()) == (2, "precious")
