"""How a run over an archive shows itself: photos a second, megabytes a second, time left, and one event a file."""

import base64
import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from unlearn.photos.rows import Row, shown
from unlearn.progress import Advance, Bars, JsonLines, Lines, Logged, Progress, Silent, line

Tick = Callable[[Row, int, bool], None]
LINE_EVERY_SECONDS = 30.0
FIGURES = ("linf", "psnr", "ssim", "kept")


class Display(Progress, Protocol):
    """A `Progress` that also follows files."""

    def files(self, count: int, size: int) -> contextlib.AbstractContextManager[Tick]:
        """Work on `count` files of `size` bytes; call the value with a row, its bytes, and whether it was work."""
        ...

    def say(self, text: str) -> None:
        """Lines for people: plan, summary, and what they should know."""
        ...


class Rate:
    """Speed and time left. Files for which nothing had to be done do not count as speed."""

    def __init__(self, count: int, size: int, now: Callable[[], float] = time.monotonic):
        self.count, self.size, self.now, self.start = count, size, now, now()
        self.files = self.bytes = self.worked_files = self.worked_bytes = 0
        self.statuses: Counter[str] = Counter()

    def add(self, row: Row, size: int, worked: bool) -> None:
        """Count one file."""
        self.files, self.bytes = self.files + 1, self.bytes + size
        self.statuses[row.status if worked else "unchanged"] += 1
        if worked:
            self.worked_files, self.worked_bytes = self.worked_files + 1, self.worked_bytes + size

    @property
    def left(self) -> float | None:
        """Seconds, or None before anything is known."""
        spent = self.now() - self.start
        return (self.size - self.bytes) * spent / self.worked_bytes if self.worked_bytes else None

    def text(self) -> str:
        """`120/1000 files, 8.1/s, 24.0 MB/s, 0:03:20 left (118 protected, 2 damaged)`."""
        spent = max(self.now() - self.start, 1e-9)
        counts = ", ".join(f"{count} {status}" for status, count in sorted(self.statuses.items()))
        left = "?" if self.left is None else clock(self.left)
        speed = f"{self.worked_files / spent:.1f}/s, {self.worked_bytes / spent / 1e6:.1f} MB/s"
        return f"{self.files}/{self.count} files, {speed}, {left} left" + (f" ({counts})" if counts else "")


def clock(seconds: float) -> str:
    """`1:02:03`."""
    whole = max(0, round(seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


class Quiet(Silent):
    """Says nothing."""

    @contextlib.contextmanager
    def files(self, count: int, size: int) -> Iterator[Tick]:
        yield lambda row, size, worked: None

    def say(self, text: str) -> None:
        pass


class _Spoken:
    """Plan and summary are said in words on stdout, so that their figures need not be printed as an event too."""

    def log(self, event: str, **facts: Any) -> None:
        if event not in ("plan", "summary"):
            print(line(event, facts), file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        print(text, flush=True)


class Plain(_Spoken, Lines):
    """A line every 30 seconds, where there is no terminal."""

    @contextlib.contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        """Work without a known end says nothing."""
        with super().task(name, total) if total else Silent().task(name, total) as advance:
            yield advance

    @contextlib.contextmanager
    def files(self, count: int, size: int) -> Iterator[Tick]:
        rate, last = Rate(count, size), time.monotonic()

        def tick(row: Row, size: int, worked: bool) -> None:
            nonlocal last
            rate.add(row, size, worked)
            if time.monotonic() - last > LINE_EVERY_SECONDS:
                last = time.monotonic()
                print(rate.text(), file=sys.stderr, flush=True)

        yield tick


class Terminal(_Spoken, Bars):
    """A bar by bytes, because photos differ in size, with the figures of `Rate` beside it."""

    @contextlib.contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        """Work without a known end shows its count."""
        with super().task(name, total or None) as advance:  # type: ignore[arg-type]
            yield advance

    @contextlib.contextmanager
    def files(self, count: int, size: int) -> Iterator[Tick]:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        columns = (BarColumn(bar_width=24), TextColumn("{task.fields[text]}", markup=False))
        rate, last = Rate(count, size), 0.0
        with RichProgress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4) as bars:
            bar = bars.add_task("", total=max(1, size), text=rate.text())

            def tick(row: Row, size: int, worked: bool) -> None:
                nonlocal last
                rate.add(row, size, worked)
                if time.monotonic() - last > 0.25:
                    last = time.monotonic()
                    bars.update(bar, completed=rate.bytes, text=rate.text())

            yield tick


class Events(JsonLines):
    """One JSON object a line on stdout: plan, file, summary, and what crafting tells."""

    @contextlib.contextmanager
    def files(self, count: int, size: int) -> Iterator[Tick]:
        yield lambda row, size, worked: self.log("file", **event(row)) if worked else None

    def say(self, text: str) -> None:
        pass


class LogFile(Logged):
    """Another display, with every event also appended to a log file."""

    def __init__(self, inner: Display, path: Path):
        super().__init__(inner, path)
        self.display = inner

    @contextlib.contextmanager
    def files(self, count: int, size: int) -> Iterator[Tick]:
        with self.display.files(count, size) as inner, self.path.open("a", encoding="utf-8") as lines:

            def tick(row: Row, size: int, worked: bool) -> None:
                inner(row, size, worked)
                if worked:
                    lines.write(json.dumps({"event": "file", **event(row)}) + "\n")
                    lines.flush()

            yield tick

    def say(self, text: str) -> None:
        self.display.say(text)


def event(row: Row) -> dict[str, Any]:
    """What a `file` event tells: the path for people and for programs, status, reason and figures."""
    facts = {name: getattr(row, name) for name in FIGURES if getattr(row, name) is not None}
    path = {"path": shown(row.path), "path_b64": base64.b64encode(row.path).decode()}
    notes = json.loads(row.notes)
    return {**path, "status": row.status, "reason": row.reason, **({"notes": notes} if notes else {}), **facts}


def choose(json_lines: bool = False, quiet: bool = False, log_file: Path | None = None) -> Display:
    """The display that fits where the output goes."""
    inner: Display = Events() if json_lines else Quiet() if quiet else Terminal() if sys.stderr.isatty() else Plain()
    return LogFile(inner, log_file) if log_file else inner
