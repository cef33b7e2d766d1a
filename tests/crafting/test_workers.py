"""Shares of the work, and real processes that write the same bytes as one."""

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import FAST, SOURCE_TREE, unlearn

from unlearn.crafting.workers import Workers


@pytest.mark.parametrize(("tasks", "world"), [(10, 3), (2, 4), (0, 2), (98, 8)])
def test_shares_cover_everything_once(tasks: int, world: int) -> None:
    shares = Workers(torch.device("cpu"), world=world).deal(tasks)
    assert [i for share in shares for i in share] == list(range(tasks))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def digest(run: Path) -> str:
    return hashlib.sha256((run / "perturbation.safetensors").read_bytes()).hexdigest()


def torchrun(processes: int, recipe: str, out: Path, *more: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node",
        str(processes),
        "--standalone",
    ]
    command += ["-m", "unlearn", "craft", recipe, *FAST, "--out", str(out), *more]
    return subprocess.Popen(command, env=SOURCE_TREE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


# Steps of 0.37 levels need a grid of 1/100 level, and int16 for it, which gloo does not know.
TWO_BYTES = "method.pgd.step_size=0.37/255"
# Batches of 90 images: two tasks of the generator's step for the processes to share.
GENERATED = ("~data.path", "~data.expects", "data.source=embedded", "data.train_samples=180",
             "method.share=0.5", "method.schedule.pgd_batch_size=90", "method.schedule.min_rounds=2")  # fmt: skip


@pytest.mark.parametrize(
    ("processes", "recipe", "more"),
    [
        (2, "demo", ()),
        (2, "demo-sample", (TWO_BYTES,)),
        pytest.param(2, "demo-sample", (), marks=pytest.mark.slow),
        pytest.param(3, "demo", (), marks=pytest.mark.slow),
        pytest.param(3, "demo-sample", (), marks=pytest.mark.slow),
        pytest.param(2, "small/amortized", GENERATED, marks=pytest.mark.slow),
        pytest.param(3, "small/amortized", GENERATED, marks=pytest.mark.slow),
    ],
)
def test_processes_write_the_bytes_of_one(processes: int, recipe: str, more: tuple[str, ...], tmp_path: Path) -> None:
    alone = unlearn("craft", recipe, *FAST, "--out", tmp_path / "alone", *more)
    assert alone.returncode == 0, alone.stderr
    started = torchrun(processes, recipe, tmp_path / "together", *more)
    output, _ = started.communicate(timeout=300)
    assert started.returncode == 0, output
    assert f"done by {processes} processes" in output
    assert digest(tmp_path / "alone") == digest(tmp_path / "together")


@pytest.mark.parametrize(
    ("recipe", "after"), [("demo", 1), ("demo-sample", 2), pytest.param("demo-sample", 4, marks=pytest.mark.slow)]
)
def test_killed_with_sigkill_it_ends_with_the_same_bytes(recipe: str, after: int, tmp_path: Path) -> None:
    """Killed after the n-th checkpoint appeared, started again, and again."""
    arguments = ["craft", recipe, *FAST, "--checkpoint-every", "0", "--quiet"]
    whole = unlearn(*arguments, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    killed = tmp_path / "killed"
    for wanted in (after, after + 2):
        kill_at_checkpoint([*arguments, "--out", str(killed)], killed, wanted)
    resumed = unlearn(*arguments, "--out", killed)
    assert resumed.returncode == 0, resumed.stderr
    assert "resumed" in (killed / "log.jsonl").read_text()
    assert digest(killed) == digest(tmp_path / "whole")
    assert not (killed / "checkpoint").exists()


def kill_at_checkpoint(arguments: list[str], run: Path, wanted: int) -> None:
    process = subprocess.Popen([sys.executable, "-m", "unlearn", *arguments], env=SOURCE_TREE)
    while process.poll() is None and newest(run) < wanted:
        time.sleep(0.002)
    process.kill()
    process.wait()


def newest(run: Path) -> int:
    names = [p.name for p in (run / "checkpoint").iterdir()] if (run / "checkpoint").is_dir() else []
    return max((int(name) for name in names if name.isdigit()), default=-1)


def leaves_with_130(run: Path, asked: signal.Signals) -> str:
    """What a run says that gets a signal as soon as it has started."""
    command = [sys.executable, "-m", "unlearn", "craft", "demo-sample", *FAST, "--out", str(run)]
    process = subprocess.Popen(command, env=SOURCE_TREE, stderr=subprocess.PIPE, text=True)
    while not (run / "log.jsonl").exists() and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(asked)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    return errors


def test_sigterm_checkpoints_leaves_with_130_and_resumes_on_other_processes(tmp_path: Path) -> None:
    whole = unlearn("craft", "demo-sample", *FAST, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    run = tmp_path / "run"
    errors = leaves_with_130(run, signal.SIGTERM)
    assert "the same command goes on from it" in errors
    assert newest(run) == 0
    again = torchrun(2, "demo-sample", run)
    output, _ = again.communicate(timeout=300)
    assert again.returncode == 0, output
    assert digest(run) == digest(tmp_path / "whole")


def test_sigusr1_checkpoints_and_leaves_with_130(tmp_path: Path) -> None:
    """SLURM's warning; what goes on from such a checkpoint is shown for SIGTERM, and for a job by test_slurm."""
    run = tmp_path / "run"
    leaves_with_130(run, signal.SIGUSR1)
    assert newest(run) == 0


def test_a_run_folder_of_another_recipe_or_data_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert unlearn("craft", "random", *EMBEDDED, "--out", run).returncode == 0
    before = digest(run)
    other = unlearn("craft", "random", *EMBEDDED, "epsilon=4/255", "--out", run)
    assert (other.returncode, "holds a run of another recipe" in other.stderr) == (2, True)
    data = unlearn("craft", "random", *EMBEDDED, "data.seed=9", "--out", run)
    assert (data.returncode, "holds a run of other data" in data.stderr) == (2, True)
    same = unlearn("craft", "random", *EMBEDDED, "--out", run)
    assert (same.returncode, "done already" in same.stderr) == (0, True)
    assert digest(run) == before


EMBEDDED = ("~data.path", "~data.expects", "data.source=embedded", "data.train_samples=40")
