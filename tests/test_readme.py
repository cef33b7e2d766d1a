"""The README's commands and library example run as they stand there, and every command and recipe is documented."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, SOURCE_TREE, unlearn

from unlearn import recipe_files
from unlearn.cli import app

README = (ROOT / "README.md").read_text()
SESSIONS = re.findall(r"<!-- run -->\n```console\n(.*?)```", README, re.S)


def test_there_are_sessions() -> None:
    assert len(SESSIONS) == 2


@pytest.mark.parametrize("session", SESSIONS, ids=["see it work", "change a recipe"])
def test_sessions_print_what_the_readme_says(session: str, tmp_path: Path) -> None:
    for block in re.split(r"^\$ ", session, flags=re.M)[1:]:
        command, _, expected = block.partition("\n")
        done = unlearn(*shlex.split(command)[1:], cwd=tmp_path)
        printed = done.stdout + (done.stderr if done.returncode else "")
        assert done.returncode in (0, 2), done.stderr
        for line in expected.strip().splitlines():
            assert line in printed.splitlines(), f"{command}\n{printed}"


def test_the_library_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"<!-- python -->\n```python\n(.*?)```", README, re.S)
    assert len([line for line in example.splitlines() if line.strip()]) <= 12
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, env=SOURCE_TREE
    )
    assert done.returncode == 0, done.stderr
    clean, protected = map(float, done.stdout.split())
    assert 0 < protected <= 1
    assert 0 < clean <= 1
    assert (tmp_path / "audit" / "report.html").exists()
    assert (tmp_path / "release" / "README.md").exists()


def test_every_command_is_documented() -> None:
    names = {info.name or info.callback.__name__ for info in app.registered_commands if info.callback}
    undocumented = [name for name in names if not re.search(rf"[` ]{name}[` ]", README)]
    assert not undocumented


def test_every_recipe_says_in_its_first_line_what_it_is() -> None:
    for name in recipe_files.names():
        first = recipe_files.find(name).read_text().partition("\n")[0]
        assert re.fullmatch(r"# .{20,}\.( .*)?|# .{20,}", first), name


def test_the_first_screen_says_what_is_not_protected() -> None:
    screen = "\n".join(README.splitlines()[:24])
    for words in (
        "already know the face",
        "pretrained backbones",
        "purification",
        "already published",
        "leaked originals",
    ):
        assert words in screen
