"""Batch scripts: their shell, the options that they use, what happens at a signal, and that processes meet."""

import os
import re
import signal
import stat
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from conftest import FAST, ROOT, SOURCE_TREE, unlearn

from unlearn import cli

FOLDER = ROOT / "scripts" / "slurm"
JOBS = sorted(FOLDER.glob("*.sbatch"))
STOPPED = 130

# Stands for srun: two tasks with SLURM's variables, to which it hands on SIGUSR1 as SLURM does; the largest exit code.
SRUN = """#!/usr/bin/env bash
shift
echo $$ > "$LOG.srun"
pids=()
for ((i = 0; i < SLURM_NTASKS; i++)); do
  SLURM_PROCID=$i SLURM_LOCALID=$i SLURM_STEP_TASKS_PER_NODE="$SLURM_NTASKS(x1)" "$@" &
  pids+=($!)
done
trap 'kill -USR1 "${pids[@]}"' USR1
code=0
for pid in "${pids[@]}"; do
  while kill -0 "$pid" 2> /dev/null; do one=0; wait "$pid" || one=$?; done
  ((one > code)) && code=$one
done
exit "$code"
"""
SCONTROL = """#!/usr/bin/env bash
if [ "$1" = show ]; then echo 127.0.0.1; else echo "$@" >> "$LOG"; fi
"""


def stubs(folder: Path, srun: str, tasks: int, job: int = 77) -> dict[str, str]:
    """The environment of a job, with stand-ins for SLURM's programs before everything else on the path."""
    python = f'#!/usr/bin/env bash\nexec "{sys.executable}" "$@"\n'
    for name, text in (("srun", srun), ("scontrol", SCONTROL), ("python", python)):
        (folder / name).write_text(text)
        (folder / name).chmod(stat.S_IRWXU)
    given = {"SLURM_JOB_ID": job, "SLURM_JOB_NODELIST": "one", "SLURM_NTASKS": tasks, "SLURM_CPUS_PER_TASK": 1}
    own = {name: str(value) for name, value in given.items()}
    return {
        **SOURCE_TREE,
        **own,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "LOG": str(folder / "log"),
        "SLURM_SUBMIT_DIR": str(ROOT),
    }


@pytest.mark.parametrize("script", [*JOBS, FOLDER / "_task", FOLDER / "_launch"], ids=lambda path: path.name)
def test_bash_reads_the_script(script: Path) -> None:
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert os.access(script, os.X_OK) or script.name == "_launch"


@pytest.mark.parametrize("script", JOBS, ids=lambda path: path.stem)
def test_commands_and_options_exist(script: Path) -> None:
    command = typer.main.get_command(cli.app).commands[script.stem]  # type: ignore[attr-defined]
    known = {name for parameter in command.params for name in parameter.opts}
    text = script.read_text()
    (line,) = re.findall(rf"^launch {script.stem} .*$", text, re.MULTILINE)
    used = set(re.findall(r"(?<= )--[a-z-]+", line + " " + " ".join(re.findall(r"(?:as|With) (--[a-z]+)", text))))
    assert used - {"--nodes"} <= known, used - known
    assert "--signal=USR1@" in text
    assert "#SBATCH --requeue" in text


@pytest.mark.parametrize("script", JOBS, ids=lambda path: path.stem)
@pytest.mark.parametrize("code", [0, 2, STOPPED])
def test_only_a_stopped_job_is_queued_again(script: Path, code: int, tmp_path: Path) -> None:
    fake = f'#!/usr/bin/env bash\necho "$@" "$MASTER_ADDR:$MASTER_PORT"\nexit {code}\n'
    arguments = ["bash", str(script), "one", "other", "--device", "cpu"]
    done = subprocess.run(arguments, capture_output=True, text=True, env=stubs(tmp_path, fake, 1), cwd=tmp_path)
    assert done.returncode == code, done.stderr
    expected = f"--mpi=none {FOLDER / '_task'} {script.stem} one"
    assert done.stdout.startswith(expected)
    assert "--device cpu" in done.stdout
    assert done.stdout.rstrip().endswith("127.0.0.1:20077")
    log = tmp_path / "log"
    assert (log.read_text() if log.exists() else "") == ("requeue 77\n" if code == STOPPED else "")


def test_a_job_without_arguments_says_how_it_is_used(tmp_path: Path) -> None:
    for script in JOBS:
        done = subprocess.run(["bash", str(script)], capture_output=True, text=True, env=stubs(tmp_path, SRUN, 1))
        assert done.returncode != 0
        assert f"usage: sbatch scripts/slurm/{script.name}" in done.stderr


def test_processes_wait_longer_than_a_training_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    from unlearn.crafting import workers

    asked, real = [], workers.Accelerator
    monkeypatch.setattr(workers, "Accelerator", lambda **given: asked.append(given) or real(cpu=True))
    workers.launch(device="cpu")
    (handler,) = asked[0]["kwargs_handlers"]
    assert handler.to_kwargs()["timeout"] >= timedelta(days=1)


@pytest.mark.slow
def test_a_job_that_gets_sigusr1_is_queued_again_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    """Two processes stop with a checkpoint, one goes on, as if the job had got a smaller machine."""
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert unlearn("craft", "demo-sample", *FAST, "--out", whole).returncode == 0
    command = ["bash", str(FOLDER / "craft.sbatch"), "demo-sample", str(run), *FAST]
    first = subprocess.Popen(command, env=stubs(tmp_path, SRUN, 2, job=os.getpid()))
    while not (run / "log.jsonl").exists() and first.poll() is None:
        time.sleep(0.01)
    os.kill(int((tmp_path / "log.srun").read_text()), signal.SIGUSR1)
    assert first.wait(timeout=300) == STOPPED
    assert (tmp_path / "log").read_text() == f"requeue {os.getpid()}\n"
    assert any((run / "checkpoint").iterdir())
    assert not (run / "perturbation.safetensors").exists()
    assert subprocess.run(command, env=stubs(tmp_path, SRUN, 1)).returncode == 0
    assert '"processes": 2' in (run / "log.jsonl").read_text()
    names = [folder / "perturbation.safetensors" for folder in (whole, run)]
    assert names[0].read_bytes() == names[1].read_bytes()
