"""Run folders: damaged logs and facts, and what a kill leaves behind."""

from pathlib import Path

import pytest

from unlearn import run
from unlearn.crafting import history
from unlearn.errors import DataError
from unlearn.progress import Logged, Silent


def test_a_log_line_cut_short_by_a_kill_harms_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"event": "round", "round": 1}\n{"event": "rou')
    Logged(Silent(), log).log("stopped", reason="error", rounds=2)
    assert history.crafting_facts(log) == {"reason": "error", "rounds": 2}


def test_no_log_is_no_fact(tmp_path: Path) -> None:
    assert history.crafting_facts(tmp_path / "log.jsonl") == {}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_damaged_facts_are_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    (tmp_path / "perturbation.safetensors").write_text("")
    with pytest.raises(DataError, match=r"run\.json: not readable, so this is no run"):
        run.load(tmp_path)
