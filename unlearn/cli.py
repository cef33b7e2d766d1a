"""The command line: a command is a door to one library call.

Imports are inside the commands, so that `--help`, `ls` and `validate` start without torch.
"""

import io
import json
import math
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from unlearn import __version__, cli_audit, cli_people, cli_photos
from unlearn.errors import DataError, UnlearnError

app = typer.Typer(
    name="unlearn",
    help="Make images useless for training, and say honestly what that holds against.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
Name = Annotated[str, typer.Argument(help="A recipe's name (see `unlearn ls recipes`) or its file.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="Changes such as epsilon=4/255 method.pgd.steps=5.")]
Out = Annotated[Path, typer.Option("--out", help="Folder to write; it must not exist or be empty.")]
Data = Annotated[str | None, typer.Option("--data", help="Where the data are: short for data.path=...")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines on stdout, for machines.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]
Seconds = Annotated[
    float, typer.Option(min=0, callback=lambda value: _a_time(value), help="Seconds between two checkpoints.")
]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="auto takes an accelerator where there is one.")]


def _changes(overrides: list[str] | None, data: str | None) -> list[str]:
    if data == "":
        raise DataError("--data is empty; it names the folder or file of the data")
    return [*(overrides or []), *([f"data.path={json.dumps(data)}"] if data else [])]


def _say(text: str = "") -> None:
    """A line for people, from the first process only."""
    if os.environ.get("RANK", "0") == "0":
        typer.echo(text)


def _a_time(seconds: float) -> float:
    if math.isnan(seconds):
        raise typer.BadParameter("nan is not a number of seconds")
    return seconds


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    told: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it and leave.")
    ] = False,
) -> None:
    """Make images useless for training, and say honestly what that holds against."""


@app.command()
def ls(
    room: Annotated[str | None, typer.Argument(help="methods, defenses, sources, victims or recipes.")] = None,
) -> None:
    """List what there is, one name a line."""
    from unlearn import catalog

    for line in catalog.listing(room):
        typer.echo(line)


@app.command()
def show(name: Name) -> None:
    """Print a recipe, or what a method, defense, source or victim is."""
    from unlearn import catalog

    typer.echo(catalog.describe(name))


@app.command()
def cp(name: Name, file: Annotated[Path, typer.Argument(help="The new file; it must not exist.")]) -> None:
    """Copy a recipe to a file of yours, to change it there."""
    from unlearn import catalog

    catalog.copy(name, file)
    typer.echo(f"{file}: copied from {name}; `unlearn validate {file}` checks it")


@app.command()
def validate(
    name: Name,
    overrides: Overrides = None,
    data: Data = None,
    open_data: Annotated[bool, typer.Option("--open", help="Also read the data.")] = False,
) -> None:
    """Check a recipe of noise or of an audit, all of it at once, without running it."""
    from unlearn import recipe, recipe_check, recipe_files, recipe_kinds
    from unlearn.errors import RecipeError

    source = recipe_files.read(name, _changes(overrides, data))
    if (kind := recipe_kinds.kind_of(source.content)) is recipe_kinds.NOISE:
        settings = recipe.validate(source)
        for other in settings.beside:
            recipe.load(other, _changes(overrides, data))
        if open_data:
            from unlearn import run

            typer.echo(run.preview(settings))
        found = f"{settings.rows} {settings.method_name} on {settings.source}, hash {settings.hash}"
    elif open_data:
        raise RecipeError([f"{name}: is an audit and names no data; --open is for recipes of noise"])
    else:
        found = recipe_check.plan_of(source, kind).headline
    typer.echo(f"{name}: valid; {found}")


@app.command()
def craft(
    name: Name,
    overrides: Overrides = None,
    out: Out = Path("run"),
    data: Data = None,
    device: Device = "auto",
    checkpoint_every: Seconds = 60.0,
    json_lines: Json = False,
    quiet: Quiet = False,
) -> None:
    """Craft a recipe's perturbation; the same command goes on after an interruption."""
    from unlearn import progress, recipe, run, signals
    from unlearn.crafting import workers

    settings = recipe.load(name, _changes(overrides, data))
    with signals.stop_on_signals() as stop:
        team = workers.launch(stop, device)
        run.craft(settings, out, progress.choose(json_lines, quiet), team, checkpoint_every)
    if not json_lines:
        _say(f"{out}: done by {team.world} process{'es' if team.world > 1 else ''}")
        _say(f"next: unlearn audit {out} --out DIR, unlearn release {out} --out DIR")


cli_audit.register(app)


@app.command()
def release(
    made: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.")],
    out: Out = Path("release"),
    format: Annotated[str, typer.Option(help="parquet or imagefolder.")] = "parquet",
    results: Annotated[Path | None, typer.Option("--audit", help="results.json of an audit, for the card.")] = None,
    test: Annotated[bool, typer.Option(help="Copy the clean test split into the release.")] = True,
    data: Data = None,
) -> None:
    """Write the protected data set with card and checksums, and verify it."""
    from unlearn import publish, run

    if os.environ.get("RANK", "0") != "0":  # one process of a launcher's writes it
        return
    loaded = run.load(made, _changes(None, data))
    publish.release(loaded, out, format, publish.read_results(results, loaded), test)
    _say(f"{out}: released as {format} and verified. {publish.contents(out)}")


@app.command()
def demo(
    out: Annotated[Path, typer.Argument(help="Folder to write.")] = Path("demo-output"),
    json_lines: Json = False,
    quiet: Quiet = False,
) -> None:
    """Protect, audit and release a small generated data set, in a few minutes on two cores."""
    _whole("demo", out, [], json_lines, quiet)


@app.command()
def reproduce(
    name: Name,
    overrides: Overrides = None,
    out: Out = Path("reproduced"),
    data: Data = None,
    json_lines: Json = False,
    quiet: Quiet = False,
) -> None:
    """Craft, audit and release a recipe, and hold its figures against its `expected:` (exit 1 outside)."""
    misses = _whole(name, out, _changes(overrides, data), json_lines, quiet)
    for miss in misses:
        typer.echo(miss, err=True)
    if misses:
        raise typer.Exit(1)
    _say("all figures are within what the recipe expects")


@app.command()
def doctor(json_lines: Json = False) -> None:
    """Tell what this machine has, and what is missing for which feature."""
    from unlearn import doctor as doctors

    found = doctors.examine()
    typer.echo(json.dumps(found, indent=2) if json_lines else doctors.text(found))
    if not found["healthy"]:
        raise typer.Exit(1)


cli_photos.register(app)
app.add_typer(cli_people.app, name="people")


def _whole(name: str, out: Path, overrides: list[str], json_lines: bool, quiet: bool) -> list[str]:
    from unlearn import expectations, progress, publish, recipe, signals

    settings = recipe.load(name, overrides)
    with signals.stop_on_signals() as stop:
        made = publish.whole(settings, out, progress.choose(json_lines, quiet), overrides, stop)
    cli_audit.print_results(made.results, out, json_lines)
    if not json_lines:
        _say(f"release: {made.release}")
    return expectations.misses(settings, made.results)


def main() -> None:
    """Run the command line; library errors become lines on stderr and an exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name may hold what a terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except UnlearnError as error:
        _fail(error)
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(error: UnlearnError) -> None:
    if os.environ.get("RANK", "0") == "0":
        print(error, file=sys.stderr)
        count = len(getattr(error, "problems", ()))
        if count > 1:
            print(f"{count} problems, nothing was run", file=sys.stderr)
    sys.exit(error.exit_code)
