"""How a run shows itself: speed and time left count work only, and every channel says its part."""

import json
from pathlib import Path

import pytest

from unlearn.photos import display
from unlearn.photos.display import Events, LogFile, Plain, Quiet, Rate, Terminal
from unlearn.photos.rows import Row

PHOTO = Row(b"a\n.jpg", "protected", psnr=35.0, notes='["10 bits"]')


def test_speed_and_time_left_come_from_work_only() -> None:
    now = [0.0]
    rate = Rate(100, 1000, lambda: now[0])
    assert rate.left is None
    for _ in range(50):
        rate.add(PHOTO, 10, False)
    for _ in range(10):
        rate.add(PHOTO, 10, True)
    now[0] = 5.0
    assert rate.left == pytest.approx(400 * 5 / 100)
    assert rate.text() == "60/100 files, 2.0/s, 0.0 MB/s, 0:00:20 left (10 protected, 50 unchanged)"


def test_clock() -> None:
    assert [display.clock(seconds) for seconds in (0.4, 61, 3723)] == ["0:00:00", "0:01:01", "1:02:03"]


def test_a_line_every_thirty_seconds(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(display.time, "monotonic", lambda: now[0])
    with Plain().files(10, 100) as tick:
        for second in range(100):
            now[0] = float(second)
            tick(PHOTO, 1, True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 3


def test_plan_and_summary_are_words_for_people_and_events_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    for show in (Plain(), Terminal()):
        show.log("plan", size=1)
        show.say("words")
        with show.task("looking", 0) as advance:
            advance(1)
    captured = capsys.readouterr()
    assert captured.out == "words\nwords\n"
    assert "plan" not in captured.err
    Events().log("plan", size=1)
    Events().say("words")
    Quiet().say("words")
    assert json.loads(capsys.readouterr().out) == {"event": "plan", "size": 1}


def test_a_file_event_has_a_path_for_people_and_for_programs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with LogFile(Events(), tmp_path / "log").files(2, 2) as tick:
        tick(PHOTO, 1, True)
        tick(PHOTO, 1, False)
    expected = {"event": "file", "path": "a\\n.jpg", "path_b64": "YQouanBn", "status": "protected", "reason": "",
                "notes": ["10 bits"], "psnr": 35.0}  # fmt: skip
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [expected]
    assert [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()] == [expected]


def test_the_terminals_bar_ends_with_the_work() -> None:
    with Terminal().files(2, 2) as tick:
        tick(PHOTO, 1, True)
