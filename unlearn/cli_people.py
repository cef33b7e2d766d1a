"""Commands about persons: `people scan`, `people show`, `people forget`."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Who is who in photos without labels. What is measured of faces is biometric data: it stays on this machine, "
    "in a folder that only you can read, and `forget` deletes it.",
    no_args_is_help=True,
)
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, for machines.")]
Patterns = list[str] | None


@app.command()
def scan(
    photos: Annotated[Path, typer.Argument(help="A folder of photos; it is only read.")],
    out: Annotated[Path, typer.Option("--out", help="The file to write; it must not exist.")] = Path("people.yaml"),
    detector: Annotated[str, typer.Option(help="mtcnn, dlib, or the path of a YuNet .onnx file.")] = "mtcnn",
    recogniser: Annotated[str, typer.Option(help="facenet, dlib, or the path of an .onnx file.")] = "facenet",
    contact_sheet: Annotated[Path | None, typer.Option(help="Also write an HTML file that SHOWS the faces.")] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Mean cosine of one person's faces; higher splits, lower joins.", min=-1, max=1)
    ] = None,
    min_photos: Annotated[int, typer.Option(help="Fewer photos make no person.", min=1)] = 2,
    names_from: Annotated[str, typer.Option(help="auto (names inside the photos), none, folders, or a file.")] = "auto",
    include: Annotated[Patterns, typer.Option(help="Only files that match (gitignore syntax).")] = None,
    exclude: Annotated[Patterns, typer.Option(help="No files or folders that match.")] = None,
    follow_links: Annotated[bool, typer.Option(help="Follow links that stay inside PHOTOS.")] = False,
    keep_state: Annotated[bool, typer.Option(help="Keep the embeddings: the next scan is quicker.")] = False,
    json_lines: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Find faces, group them into persons, and write people.yaml for you to correct.

    While it runs, embeddings of faces lie in people.state beside people.yaml, readable by you only; at the end they
    are deleted, unless --keep-state is given. Interrupted, it goes on from there with the same command. people.yaml
    has names and boxes only. Nothing is sent anywhere.
    """
    from unlearn import signals
    from unlearn.people import scan as scans
    from unlearn.people import telling, vision
    from unlearn.photos import display
    from unlearn.photos.walking import Rules

    rules = Rules(tuple(include or ()), tuple(exclude or ()), follow_links)
    options = scans.Options(threshold, min_photos, names_from, rules, contact_sheet, keep_state)
    show = display.choose(json_lines, quiet)
    with signals.stop_on_signals() as stop:
        eyes = vision.load(detector, recogniser)
        report = scans.scan(photos, out, eyes, options, show, stop)
    show.say("\n".join(telling.report(report, out, options, eyes)))
    if report.exit_code:
        raise typer.Exit(report.exit_code)


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A people.yaml.")] = Path("people.yaml"), json_lines: Json = False
) -> None:
    """Tell who is in a people.yaml: photos, faces and doubts of each person."""
    from unlearn.people import telling
    from unlearn.photos.labels import people_file

    people = people_file.read(file)
    typer.echo(json.dumps(telling.facts(people)) if json_lines else "\n".join(telling.table(people)))


@app.command()
def forget(
    places: Annotated[list[Path] | None, typer.Argument(help="people.yaml, its state folder, or their folder.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also people.yaml and the contact sheet.")] = False,
    json_lines: Json = False,
) -> None:
    """Delete the embeddings that a scan has kept, and say what is left.

    Only what `scan` made is deleted. Backups and snapshots of the disk may still hold it.
    """
    from unlearn.people import forgetting

    done = forgetting.forget(places or [Path()], everything)
    if json_lines:
        left = [{"path": str(path), "holds": holds} for path, holds in done.left]
        typer.echo(json.dumps({"deleted": [str(path) for path in done.deleted], "left": left}))
        return
    for path in done.deleted:
        typer.echo(f"deleted: {path}")
    for path, holds in done.left:
        typer.echo(f"left: {path} ({holds}); --all deletes it")
