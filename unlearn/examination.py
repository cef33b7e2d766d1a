"""Audits of runs and releases, on all processes, with the reports written once."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from unlearn import control, files, precision, recipe, recipe_check, run
from unlearn.audit import run as auditing
from unlearn.audit.plan import AuditPlan
from unlearn.audit.run import Post, Subject
from unlearn.crafting import history
from unlearn.crafting.workers import Workers, launch
from unlearn.datasets import ImageDataset
from unlearn.errors import DataError
from unlearn.foreign import subject as foreign
from unlearn.images import Pixels
from unlearn.progress import Progress, Silent
from unlearn.promise import Promise
from unlearn.recipe import Recipe
from unlearn.release import verify as verification
from unlearn.run import RUNS, Run


def audit_paths(
    paths: Sequence[Path],
    out: Path,
    plan: str | None = None,
    clean: str | None = None,
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
    team: Workers | None = None,
) -> dict[str, Any]:
    """Audit run folders; or a release or foreign set against the clean data that a recipe or run names.

    Raises:
        DataError: none of these, or a set whose clean data are not named.
    """
    chosen, first = recipe_check.load_audit(plan) if plan else None, paths[0]
    is_release, is_run = (first / verification.FACTS).is_file(), (first / run.FACTS).is_file()
    if not is_release and (is_run or (clean is None and not first.exists())):
        if clean is not None:
            raise DataError(f"{first}: a run names its clean data itself; --clean is for a release or a foreign set")
        return audit([run.load(path, overrides) for path in paths], out, chosen, progress, team)
    if clean is None:
        what = "a release" if is_release else "not a run and not a release; where others have protected it"
        raise DataError(f"{first}: {what}, --clean names the recipe or run of its clean data")
    if len(paths) > 1:
        raise DataError(f"{len(paths)} protected sets at once; only runs are audited side by side")
    original = run.load(Path(clean), overrides).recipe if Path(clean).is_dir() else recipe.load(clean, overrides)
    if is_release:
        return audit_release(first, original, out, chosen, progress, team)
    return audit_foreign(first, original, out, chosen, progress, team)


def audit(
    runs: Sequence[Run],
    out: Path,
    plan: AuditPlan | None = None,
    progress: Progress | None = None,
    team: Workers | None = None,
) -> dict[str, Any]:
    """Audit runs made on the same data: the first is `protected`, the others `protected:<name>`.

    The name is the recipe's, with the folder's where several runs are of one recipe.

    Raises:
        DataError, PerturbationError: when a run was made for other data.
    """
    with run.placed(runs[0].recipe):
        return _audited(_told_apart(runs), out, plan, progress, team)


def _told_apart(runs: Sequence[Run]) -> list[Run]:
    """The runs under names of their own.

    Raises:
        DataError: runs of one recipe whose folders have one name, too.
    """
    names = Counter(each.name for each in runs)
    found = [replace(each, name=f"{each.name} ({each.folder})") if names[each.name] > 1 else each for each in runs]
    twice = [name for name, count in Counter(each.name for each in found).items() if count > 1]
    if twice:
        raise DataError(f"two runs are called {twice[0]}: give them folders of different names")
    return found


def _audited(
    runs: Sequence[Run], out: Path, plan: AuditPlan | None, progress: Progress | None, team: Workers | None
) -> dict[str, Any]:
    first = runs[0]
    clean, test = run.open_data(first.recipe), run.test_data(first.recipe)
    versions = {("protected" if r is first else f"protected:{r.name}"): r.saved.protect(clean).images for r in runs}
    crafting = {name: r.crafting for name, r in zip(versions, runs, strict=True)}
    facts = _facts(first, crafting) | {"sets": _sets(versions, runs)}
    controls = _controls(runs, clean)
    random = controls.pop("random")
    subject = Subject(clean, versions, test, first.recipe.epsilon, facts, random, controls)
    return examine(subject, plan or first.recipe.audit, out, first.recipe.precision, progress, team)


def _sets(versions: Iterable[str], runs: Sequence[Run]) -> dict[str, Any]:
    """What each protected set is, and what it keeps to on every image."""
    return {
        name: {
            "name": each.name,
            "method": each.recipe.method_name,
            "rows": each.recipe.rows,
            "promise": asdict(each.saved.perturbation.promise),
        }
        for name, each in zip(versions, runs, strict=True)
    }


def _controls(runs: Sequence[Run], clean: ImageDataset) -> dict[str, Pixels]:
    """A random control for every budget: `random` of the first run's, `random:<name>` of the first with another."""
    fair: dict[Promise, Run] = {}
    for each in runs:
        fair.setdefault(each.saved.perturbation.promise, each)
    named = {("random" if each is runs[0] else f"random:{each.name}"): each for each in fair.values()}
    return {name: each.saved.control(clean) for name, each in named.items()}


def _facts(first: Run, crafting: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": first.name,
        "method": first.recipe.method_name,
        "rows_of_noise": first.recipe.rows,
        "dataset": first.recipe.data.title or first.saved.origin.data,
        "crafting": crafting,
        "settings": recipe.public(first.recipe),
    }


def audit_release(
    folder: Path,
    original: Recipe,
    out: Path,
    plan: AuditPlan | None = None,
    progress: Progress | None = None,
    team: Workers | None = None,
) -> dict[str, Any]:
    """Audit a release, without its perturbation, against the clean data of a recipe."""
    with run.placed(original):
        facts = verification.facts(folder)
        protected = verification.load(folder)["train"]
        clean, test = run.open_data(original), run.test_data(original)
        if protected.images.shape != clean.images.shape or (protected.labels != clean.labels).any():
            raise DataError(f"{folder}: its images or labels are not those of the clean data of recipe {original.name}")
        about = {
            "name": folder.name,
            "method": facts["method"],
            "rows_of_noise": facts["rows"],
            "dataset": original.data.title or original.source,
            "settings": recipe.public(original),
        }
        random = control.uniform(clean.images, protected.images, clean.keys, verification.limits(folder))
        subject = Subject(clean, {"protected": protected.images}, test, float(facts["epsilon"]), about, random)
        return examine(subject, plan or original.audit, out, original.precision, progress, team)


def audit_foreign(
    path: Path,
    original: Recipe,
    out: Path,
    plan: AuditPlan | None = None,
    progress: Progress | None = None,
    team: Workers | None = None,
) -> dict[str, Any]:
    """Audit a protected set that others have made against the clean data of a recipe; see `foreign`."""
    with run.placed(original):
        subject = foreign.subject(path, original)
        return examine(subject, plan or original.audit, out, original.precision, progress, team)


def examine(
    subject: Subject,
    plan: AuditPlan,
    out: Path,
    usual_precision: str,
    progress: Progress | None = None,
    team: Workers | None = None,
) -> dict[str, Any]:
    """Run an audit's cells on all processes, then write the reports once."""
    team = team or launch()
    progress = progress if progress and team.main else Silent()
    mine = post(plan, usual_precision, progress, team)
    team.together(lambda: claim(out))
    results: dict[str, Any] = {}
    with history.timed(progress):
        auditing.audit(subject, plan, out, mine)
        team.barrier()
        team.together(lambda: results.update(auditing.finish(subject, plan, out, mine)))
    return results


def post(plan: AuditPlan, usual_precision: str, progress: Progress, team: Workers) -> Post:
    """This process at an audit, in the plan's precision, or else in this one."""
    chosen = precision.chosen(team.device, plan.precision or usual_precision, progress)
    return Post(team.device, team.rank, team.world, chosen, progress, team.stop, team.threads)


def claim(out: Path) -> None:
    """An audit's folder may hold an earlier audit, whose cells are used again where they fit."""
    ours = out.is_dir() and any((out / name).is_dir() for name in (auditing.CELLS, RUNS))
    files.claim(out, space=10_000_000, empty=not ours)
