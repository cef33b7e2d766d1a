"""Commands for photo archives: `protect`, `key show`, `key list`, and `verify` for archives and releases.

The options of `protect` are the fields of two dataclasses, so that defaults and choices live there and nowhere else.
"""

import inspect
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from unlearn.errors import UnlearnError

if TYPE_CHECKING:
    from unlearn.crafting.workers import Workers
    from unlearn.photos.options import Options
    from unlearn.photos.verifying import Proof
    from unlearn.signals import StopRequest

Json = Annotated[bool, typer.Option("--json", help="JSON lines on stdout, for machines.")]
Data = Annotated[str | None, typer.Option("--data", help="Where the data are: short for data.path=...")]


@dataclass(frozen=True)
class Flag:
    """One option of `protect`: the field that it sets, and what `--help` says about it."""

    field: str
    help: str
    names: tuple[str, ...] = ()
    bounds: tuple[int | None, int | None] = (None, None)


FLAGS = (
    Flag("people", "Whose photo: auto (names inside the photos), folders, a CSV with path,subject, or a people.yaml."),
    Flag(
        "keys",
        "A key file. Those of one subject protect all photos, together; those of several their subjects. "
        "Nothing is crafted.",
        ("--key",),
    ),
    Flag(
        "against",
        "training: noise over whole photos; matching: noise on faces against recognisers; both. auto: both where the "
        "packages for faces are installed, else training; with --key whatever the keys are for.",
    ),
    Flag("intensity", "How strong: low is hardest to see, high is hardest to undo. See `unlearn key show`."),
    Flag("recipe", "How noise is crafted: another recipe than photos/INTENSITY or faces/INTENSITY, by name or file."),
    Flag("face_model", "The detector of faces: mtcnn, dlib, or the path of a YuNet .onnx file."),
    Flag(
        "faceless",
        "Photos without a found face: protect them with the noise of whole photos if there is any, else they are left "
        "out; copy them UNPROTECTED; or skip them.",
    ),
    Flag("metadata", "safe drops GPS, serial numbers and names; keep keeps them; strip leaves orientation and color."),
    Flag("names", "With --metadata safe: keep names of persons."),
    Flag("thumbnails", "Make thumbnails anew from the protected pixels, or drop them."),
    Flag("quality", "Of JPEG, WebP, HEIC and AVIF, 1 to 100; by default as the source.", bounds=(1, 100)),
    Flag("heic", "Write HEIC photos as HEIC or as JPEG."),
    Flag("cmyk", "Leave CMYK photos out, or convert them to sRGB."),
    Flag("max_pixels", "Leave larger photos out.", bounds=(1, None)),
    Flag("verify_written", "Open written photos again and measure them: all, one in 16, or none."),
    Flag("sidecars", "XMP, AAE and JSON files beside photos: filter like metadata, copy, or skip."),
    Flag("unprotected", "Photos that cannot be protected: skip, or copy them UNPROTECTED."),
    Flag("others", "Files that are no photos, videos among them: skip, or copy them."),
    Flag("include", "Only files that match (gitignore syntax); repeatable."),
    Flag("exclude", "No files or folders that match (gitignore syntax); repeatable."),
    Flag("follow_links", "Follow links that stay inside PHOTOS."),
    Flag("limit", "Work on so many photos in this run.", bounds=(0, None)),
    Flag("check_hash", "Compare contents instead of sizes and times."),
    Flag("prune", "Delete protected copies whose originals are gone."),
    Flag("moved", "PHOTOS is the same archive as before at a new place."),
    Flag("untrusted", "The photos are from strangers: bound the time and memory of each."),
    Flag("workers", "Processes; by default one a core.", bounds=(1, None)),
    Flag("memory", "Bytes of decoded photos in flight.", bounds=(1, None)),
    Flag("fsync", "Wait until every photo is on the disk; --no-fsync is faster.", ("--fsync/--no-fsync",)),
    Flag("state", "Folder of the manifest, by default OUT/.unlearn."),
    Flag("device", "For crafting: auto or cpu."),
)


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(_with_flags(protect))
    app.command()(verify)
    app.add_typer(key, name="key")


def protect(
    photos: Annotated[Path, typer.Argument(help="A folder of photos; it is only read.")],
    out: Annotated[Path, typer.Argument(help="The folder of protected copies.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")] = False,
    json_lines: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no summary.")] = False,
    log_file: Annotated[Path | None, typer.Option("--log-file", help="Append every event to this file.")] = None,
    **flags: Any,
) -> None:
    """Write protected copies of a folder of photos, at full size and in their own formats."""
    from unlearn import protection, signals
    from unlearn.photos import display

    show, options = display.choose(json_lines, quiet, log_file), _options(flags)
    if dry_run:
        protection.dry_run(photos, out, options, show)
        return
    with signals.stop_on_signals() as stop:
        done = protection.protect(photos, out, options, show, stop, _team(options, stop))
    if done.exit_code:
        raise typer.Exit(done.exit_code)


def _team(options: "Options", stop: "StopRequest") -> "Workers | None":
    """Several processes started by a launcher craft together; one alone imports torch only if it has to craft."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return None
    from unlearn.crafting import workers

    return workers.launch(stop, options.device)


def _with_flags(command: Any) -> Any:
    """The command with FLAGS for its `**flags`, as typer reads them."""
    from unlearn.photos.options import Options
    from unlearn.photos.writing import Writing

    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    hints = {**get_type_hints(Writing), **get_type_hints(Options)}
    defaults = {**vars(Writing()), **vars(Options())}
    added = [_parameter(flag, hints[flag.field], defaults[flag.field]) for flag in FLAGS]
    command.__signature__ = signature.replace(parameters=[*own, *added])
    command.__annotations__ = {p.name: p.annotation for p in (*own, *added)} | {"return": None}
    return command


def _parameter(flag: Flag, hint: Any, default: Any) -> inspect.Parameter:
    repeated = {tuple[str, ...]: list[str] | None, tuple[Path, ...]: list[Path] | None}
    low, high = flag.bounds
    names = flag.names or (f"--{flag.field.replace('_', '-')}",)
    option = typer.Option(*names, help=flag.help, min=low, max=high)
    if hint in repeated:
        hint, default = repeated[hint], None
    return inspect.Parameter(
        flag.field, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[hint, option]
    )


def _options(flags: dict[str, Any]) -> "Options":
    from dataclasses import fields

    from unlearn.photos.options import Options
    from unlearn.photos.writing import Writing

    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in flags.items()}
    written = {field.name for field in fields(Writing)}
    writing = Writing(**{name: value for name, value in values.items() if name in written})
    given = {name: value for name, value in values.items() if name not in written and value is not None}
    return Options(writing=writing, **given)


def verify(
    folder: Annotated[Path, typer.Argument(help="A protected archive, or a release.")],
    source: Annotated[
        Path | None, typer.Option("--source", help="Of a release: its run; compare with the clean data too.")
    ] = None,
    data: Data = None,
    originals: Annotated[Path | None, typer.Option("--originals", help="Of an archive: PHOTOS, to measure.")] = None,
    share: Annotated[bool, typer.Option("--share", help="Fail while manifest or keys are in the archive.")] = False,
    state: Annotated[Path | None, typer.Option("--state", help="Of an archive: the folder of its manifest.")] = None,
    json_lines: Json = False,
) -> None:
    """Re-open what was written: checksums, budget, labels, leaks, and nothing in it that should not be."""
    from unlearn.photos import places

    if state is not None or originals is not None or share or places.is_archive(folder):
        findings, more = _archive_findings(folder, state, originals, share, json_lines)
    else:
        findings, more = _release_findings(folder, source, data), ""
    for finding in findings:
        typer.echo(json.dumps({"finding": finding}) if json_lines else finding)
    if findings:
        raise typer.Exit(1)
    if os.environ.get("RANK", "0") == "0":
        typer.echo(json.dumps({"findings": 0}) if json_lines else f"{folder}: holds{more}")


def _release_findings(folder: Path, source: Path | None, data: str | None) -> list[str]:
    from unlearn import publish

    changes = [f"data.path={json.dumps(data)}"] if data else []
    return [str(finding) for finding in publish.verify(folder, source, changes)]


def _archive_findings(
    folder: Path, state: Path | None, originals: Path | None, share: bool, json_lines: bool
) -> tuple[list[str], str]:
    from unlearn import signals
    from unlearn.photos import display, verifying

    with signals.stop_on_signals() as stop:
        show = display.choose(quiet=json_lines)
        proof: Proof = verifying.verify(folder, state, originals, share, show, stop)
    if proof.interrupted:
        raise typer.Exit(130)
    counts = ", ".join(f"{count:,} {status}" for status, count in sorted(proof.files.items()))
    notes = "".join(f"; {count:,} not measured: {note}" for note, count in sorted(proof.notes.items()))
    return proof.findings, f" ({counts or 'no files'}{notes})"


key = typer.Typer(help="Keys: the noise of a person, kept for photos that come later.", no_args_is_help=True)


@key.command()
def show(files: Annotated[list[Path], typer.Argument(help="Key files.")], json_lines: Json = False) -> None:
    """Tell what keys are: subject, strength, what they protect against. Nothing secret is printed."""
    from unlearn.photos import keyring, keys

    for file in files:
        found = keys.load(file)
        text = json.dumps(keyring.facts(file, found)) if json_lines else "\n".join(keyring.described(file, found))
        typer.echo(text)


@key.command(name="list")
def list_(folder: Annotated[Path, typer.Argument(help="A folder, such as OUT.")] = Path()) -> None:
    """List the keys below a folder, one a line."""
    from unlearn.photos import keyring

    found = keyring.listing(folder)
    for path, loaded in found:
        about = loaded if isinstance(loaded, str) else keyring.line(loaded)
        typer.echo(about if isinstance(loaded, str) else f"{path}  {about}")
    if not found:
        raise UnlearnError(f"{folder}: no keys in it")
    if any(isinstance(loaded, str) for _, loaded in found):
        raise typer.Exit(1)
