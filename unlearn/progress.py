"""Progress for people on stderr, JSON lines for machines on stdout, and a log in the run folder."""

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

Advance = Callable[[int], None]
LINE_EVERY_SECONDS = 5.0
WRITING = threading.Lock()  # work that is done in several threads tells of it line by line


class Progress(Protocol):
    """Where long work says how far it is."""

    def task(self, name: str, total: int) -> contextlib.AbstractContextManager[Advance]:
        """A piece of work of `total` units; the value is called with each number of units done."""
        ...

    def log(self, event: str, **facts: Any) -> None:
        """A fact worth keeping, such as the error after a round."""
        ...


class Silent:
    """Says nothing: for library use, and for all processes but the first."""

    @contextlib.contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        yield lambda units: None

    def log(self, event: str, **facts: Any) -> None:
        pass


class Bars(Silent):
    """rich progress bars on a terminal."""

    @contextlib.contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("{task.description:<34}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with RichProgress(*columns, console=Console(stderr=True), transient=True) as bars:
            bar = bars.add_task(name, total=total)
            yield lambda units: bars.advance(bar, units)

    def log(self, event: str, **facts: Any) -> None:
        from rich.console import Console

        Console(stderr=True).print(line(event, facts), highlight=False, markup=False)


class Lines(Silent):
    """Plain lines where there is no terminal, one every few seconds."""

    @contextlib.contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        done, last = 0, time.monotonic()

        def advance(units: int) -> None:
            nonlocal done, last
            with WRITING:
                done += units
                if time.monotonic() - last > LINE_EVERY_SECONDS:
                    last = time.monotonic()
                    print(f"{name}: {done}/{total}", file=sys.stderr, flush=True)

        yield advance

    def log(self, event: str, **facts: Any) -> None:
        with WRITING:
            print(line(event, facts), file=sys.stderr, flush=True)


class JsonLines(Silent):
    """One JSON object a line on stdout."""

    def log(self, event: str, **facts: Any) -> None:
        with WRITING:
            print(json.dumps({"event": event, **facts}), flush=True)


class Logged:
    """Another progress, with every event also appended to a log file."""

    def __init__(self, inner: Progress, path: Path):
        self.inner, self.path = inner, path
        if path.exists() and not path.read_bytes().endswith(b"\n"):  # a kill cut the last line short
            with path.open("a", encoding="utf-8") as file:
                file.write("\n")

    def task(self, name: str, total: int) -> contextlib.AbstractContextManager[Advance]:
        return self.inner.task(name, total)

    def log(self, event: str, **facts: Any) -> None:
        with WRITING, self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, **facts}) + "\n")
        self.inner.log(event, **facts)


def line(event: str, facts: dict[str, Any]) -> str:
    """`round: round 3, error 0.12`."""
    parts = (f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in facts.items())
    return f"{event}: {', '.join(parts)}" if facts else event


def choose(json_lines: bool = False, quiet: bool = False) -> Progress:
    """The progress that fits where the output goes."""
    if json_lines:
        return JsonLines()
    if quiet:
        return Silent()
    return Bars() if sys.stderr.isatty() else Lines()
