"""The command line in copies of a process that has torch imported and did nothing else.

Importing torch takes longer than most commands that the tests run. A copy has its own memory, working directory,
environment, signals and exit code, as a new process has.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path


def run(
    module: str, arguments: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """What `python -m module arguments` prints, and its exit code, negative for a signal.

    Raises:
        subprocess.TimeoutExpired: it took longer than `timeout` seconds; it is killed.
    """
    command = ["python", "-m", module, *arguments]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("stdout", "stderr")]
        process = _context().Process(target=_become, args=(module, arguments, cwd, dict(env), files))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, process.exitcode, *(file.read_text() for file in files))


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch._dynamo"])  # torch, and what its optimizers import at their first step
    return context


def _become(module: str, arguments: Sequence[str], cwd: Path, env: Mapping[str, str], files: Sequence[Path]) -> None:
    for number, file in enumerate(files, start=1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[0], sys.argv = str(cwd), [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
