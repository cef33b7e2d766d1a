"""The command `audit`: of runs and releases, and of archives against training or against matching."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from unlearn.errors import DataError

AGAINST = "training on the images, or matching of an archive's faces."
Runs = Annotated[list[Path], typer.Argument(help="Runs made on the same data, one release, foreign set or archive.")]
Out = Annotated[Path, typer.Option("--out", help="Folder to write; it must not exist or be empty.")]
Plan = Annotated[str | None, typer.Option("--recipe", help="Another audit, e.g. audits/standard.")]
Data = Annotated[str | None, typer.Option("--data", help="Where the data are: short for data.path=...")]
Clean = Annotated[
    str | None, typer.Option("--clean", help="For a release or a foreign set: a recipe or run of its clean data.")
]
Originals = Annotated[Path | None, typer.Option(help="For an archive: the photos it was made from.")]
Test = Annotated[Path | None, typer.Option(help="For an archive: other clean photos, a folder a subject, to test on.")]
Side = Annotated[
    int | None,
    typer.Option(min=16, max=512, help="For an archive and training: pixels of the square views of its photos."),
]
Pictures = Annotated[bool, typer.Option("--report-images", help="Photos may stand in the report.")]
Against = Annotated[Literal["training", "matching"], typer.Option(help=AGAINST)]
Distractors = Annotated[Path | None, typer.Option(help="For matching: a folder of other people's photos.")]
Recognisers = Annotated[str, typer.Option(help="For matching: names or model files, such as facenet,dlib.")]
Surrogates = Annotated[str, typer.Option(help="For matching: recognisers that the noise was crafted on.")]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="auto takes an accelerator where there is one.")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines on stdout, for machines.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(audit)


def audit(
    runs: Runs,
    out: Out = Path("audit"),
    plan: Plan = None,
    data: Data = None,
    clean: Clean = None,
    originals: Originals = None,
    test: Test = None,
    side: Side = None,
    report_images: Pictures = False,
    against: Against = "training",
    distractors: Distractors = None,
    recognisers: Recognisers = "",
    surrogates: Surrogates = "",
    device: Device = "auto",
    json_lines: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train victims on clean, random-noise and protected data, test on clean images; or match clean faces."""
    training_archive = bool(originals) and against == "training"
    _only_for(training_archive, test=bool(test), side=side is not None)
    if against == "matching":
        asked = (plan, distractors, _listed(recognisers), _listed(surrogates))
        return _matching(runs[0], originals, out, asked, device, json_lines, quiet)
    from unlearn import examination, photo_audit, progress, signals
    from unlearn.crafting import workers

    with signals.stop_on_signals() as stop:
        team, say = workers.launch(stop, device), progress.choose(json_lines, quiet)
        if originals:
            side = side or photo_audit.SIDE
            results = photo_audit.audit(
                runs[0], originals, out, plan, say, team, side=side, report_images=report_images, test=test
            )
        else:
            overrides = [f"data.path={json.dumps(data)}"] if data else []
            results = examination.audit_paths(runs, out, plan, clean, overrides, say, team)
    print_results(results, out, json_lines)


def _only_for(archive: bool, **given: bool) -> None:
    """Options that would be ignored are refused."""
    for name, is_given in given.items():
        if is_given and not archive:
            raise DataError(
                f"--{name} is for archives and training: --originals names the photos that the archive was made from"
            )


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _matching(
    archive: Path,
    originals: Path | None,
    out: Path,
    asked: tuple[str | None, Path | None, list[str], list[str]],
    device: str,
    json_lines: bool,
    quiet: bool,
) -> None:
    if originals is None:
        raise DataError("--against matching audits an archive; --originals names the photos that it was made from")
    from unlearn import progress
    from unlearn.audit import face_report
    from unlearn.crafting import workers
    from unlearn.matching import audit as matching

    team, say = workers.launch(device=device), progress.choose(json_lines, quiet)
    if team.main:
        results = matching.audit(archive, originals, out, *asked, progress=say, device=team.device)
        print_results(results, out, json_lines, face_report.show)


def print_results(
    results: dict[str, Any], out: Path, json_lines: bool, show: Callable[[dict[str, Any]], None] | None = None
) -> None:
    """The end of an audit: a table and where the reports are, or the summary as JSON; the first process only."""
    from unlearn.audit import terminal

    if os.environ.get("RANK", "0") != "0":
        return
    if json_lines:
        typer.echo(json.dumps({"event": "results", "summary": results["summary"]}))
    else:
        (show or terminal.show)(results)
        typer.echo(f"results: {out / 'results.json'}\nreport:  {out / 'report.html'}")
