"""From runs to what others see: the audit's reports and the release, and both in one go."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlearn import examination, files, images, recipe, registry, run
from unlearn.crafting import history
from unlearn.crafting.workers import launch
from unlearn.datasets import ImageDataset
from unlearn.errors import DataError, OutputError, ReleaseError
from unlearn.progress import Progress, Silent
from unlearn.recipe import Recipe
from unlearn.release import twins
from unlearn.release import verify as verification
from unlearn.release import write as writing
from unlearn.release.facts import Facts
from unlearn.run import Run
from unlearn.signals import StopRequest


def release(
    made: Run,
    out: Path,
    format: str = "parquet",
    results: dict[str, Any] | None = None,
    test: bool = True,
    progress: Progress | None = None,
) -> Path:
    """Write the protected data set with its card and checksums, then verify what was written.

    Raises:
        OutputError: a folder that cannot be written, or one inside a run.
        ReleaseError: a protected image would be released clean, too; or the written release does not hold what it says.
    """
    progress = progress or Silent()
    _check_place(out)
    with run.placed(made.recipe), history.timed(progress):
        return _released(made, out, format, results, test, progress)


def _check_place(out: Path) -> None:
    for folder in out.absolute().parents:
        if (folder / run.FACTS).is_file():
            raise OutputError(
                f"{out}: lies inside the run {folder}, whose noise undoes the protection; name another folder"
            )


def _released(
    made: Run, out: Path, format: str, results: dict[str, Any] | None, test: bool, progress: Progress
) -> Path:
    clean = run.open_data(made.recipe)
    protected = made.saved.protect(clean)
    mask = made.saved.perturbation.protected(made.saved.index_of(clean))
    held_out = _held_out(made) if test and made.recipe.data.test else None
    if problem := twins.problem(clean, mask, held_out):
        raise ReleaseError(f"{made.name}: {problem}")
    facts = _release_facts(made, float(mask.mean()), results)
    quality = images.quality(clean.images, protected.images)
    writing.write(out, protected, held_out, facts, quality, mask, format=format, progress=progress)
    findings = verification.verify(out, clean, held_out)
    if findings:
        raise ReleaseError("\n".join([f"{out}: does not hold what it says", *map(str, findings)]))
    return out


def _held_out(made: Run) -> ImageDataset:
    try:
        return run.test_data(made.recipe)
    except DataError as error:
        raise DataError(f"{error}; --no-test leaves the test split out") from error


def _release_facts(made: Run, share: float, results: dict[str, Any] | None) -> Facts:
    settings, origin = made.recipe, made.saved.origin
    return Facts(
        title=made.name.replace("/", "-"),
        method=settings.method_name,
        method_line=registry.first_line("methods", settings.method_name),
        rows=settings.rows,
        epsilon=settings.epsilon,
        recipe=recipe.to_yaml(recipe.public(settings)),
        recipe_hash=_public_hash(settings),
        source=origin.data,
        license=settings.data.license,
        versions=origin.versions,
        protected_share=share,
        results=results,
        promise=made.saved.perturbation.promise,
    )


def contents(folder: Path) -> str:
    """In a sentence, what a release does not hold, or that part of it is clean by its recipe."""
    share = verification.facts(folder)["protected_share"]
    if share == 1.0:
        return "It holds no perturbation, seed or clean training image."
    return f"It holds no perturbation or seed; {1 - share:.0%} of its training images are clean, as its recipe says."


def verify(folder: Path, source: Path | None = None, overrides: Sequence[str] = ()) -> list[Any]:
    """Findings of a release, also against the clean data when the run it came from is named."""
    if source is None:
        return verification.verify(folder)
    settings = run.load(source, overrides).recipe
    test = run.test_data(settings) if settings.data.test and _has_test(folder) else None
    return verification.verify(folder, run.open_data(settings), test)


def _has_test(folder: Path) -> bool:
    try:
        return "test" in verification.facts(folder)["splits"]
    except ReleaseError:  # a damaged record is a finding
        return True


def read_results(path: Path | None, made: Run) -> dict[str, Any] | None:
    """results.json of an audit of this run, for its card.

    Raises:
        DataError: unreadable, not results, or results about another run.
    """
    if path is None:
        return None
    try:
        results = json.loads((path / "results.json" if path.is_dir() else path).read_text(encoding="utf-8"))
        found = (results["version"], type(results["summary"]), {type(row) for row in results["rows"]})
        about = {name: results[name] for name in ("name", "method", "epsilon", "data_fingerprint")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not the results.json of an audit ({error})") from error
    if found != (1, dict, {dict}):
        raise DataError(f"{path}: not the results.json of an audit, or one of another version of this program")
    _check_subject(path, about, made)
    return dict(results)


def _check_subject(path: Path, about: dict[str, Any], made: Run) -> None:
    ours = {
        "name": made.name,
        "method": made.recipe.method_name,
        "epsilon": made.recipe.epsilon,
        "data_fingerprint": made.saved.origin.data_fingerprint,
    }
    differing = [f"{name} {about[name]}, here {ours[name]}" for name in ours if about[name] != ours[name]]
    if differing:
        raise DataError(f"{path}: the audit of another run ({'; '.join(differing)}); `unlearn audit` makes one of this")


def _public_hash(settings: Recipe) -> str:
    """Of what the release shows: a hash that covers the seed would let anybody try seeds until it fits."""
    return hashlib.sha256(recipe.to_yaml(recipe.public(settings)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Whole:
    """Where a whole run put its parts, and its results."""

    folder: Path
    release: Path
    results: dict[str, Any]


def whole(
    settings: Recipe,
    out: Path,
    progress: Progress | None = None,
    overrides: Sequence[str] = (),
    stop: StopRequest | None = None,
) -> Whole:
    """Craft a recipe and those beside it, audit all in one table, and release the first.

    `out` may hold an unfinished or finished whole run of the same recipe: what is there is used again.
    """
    team = launch(stop)
    everyone = [settings, *(recipe.load(name, overrides) for name in settings.beside)]
    team.together(lambda: _claim_whole(out))
    folders = [run.craft(s, out / run.RUNS / s.name.replace("/", "-"), progress, team) for s in everyone]
    runs = [run.load(folder) for folder in folders]
    results = examination.audit(runs, out, progress=progress, team=team)
    place = out / "release"
    if team.main and not place.exists():
        release(runs[0], place, results=results)
    return Whole(out, place, results)


def _claim_whole(out: Path) -> None:
    files.claim(out, space=20_000_000, empty=not (out / run.RUNS).is_dir())
