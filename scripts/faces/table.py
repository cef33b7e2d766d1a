"""The research table of methods against matching: every method, seed and user, every recogniser and channel.

    python scripts/faces/table.py --people DIR --distractors DIR --methods faces/mid,faces/fawkes-mid --out F.json
        [--surrogates facenet] [--recognisers facenet,dlib,PATH.onnx] [--users 20] [--gallery 5] [--probes 5]
        [--seeds 3] [--turns] [--apply-to-other-half] [--other-key] [--recipe audits/faces] [--jobs 2]
        [--device cpu]

One user at a time protects the gallery photos, found again by clean probes among everybody else and the distractors.
Clean photos and random noise of the same budget stand in the same rows. Protected photos are kept in F.json.cache, so
that a run that was stopped goes on; throw it away after a change of a method's code. An adaptive attacker learns from
photos that were protected with another seed, where there are several.
"""

import argparse
import multiprocessing
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from unlearn import files, progress, recipe, recipe_check
from unlearn.audit import face_report
from unlearn.audit.face_lines import Line, lines, summarize
from unlearn.audit.face_plan import FacePlan
from unlearn.audit.face_rows import CLEAN, OTHER_KEY, PROTECTED, RANDOM
from unlearn.audit.report import plain
from unlearn.errors import DataError
from unlearn.faces import embedders
from unlearn.images import SUFFIXES
from unlearn.matching import rows as matching_rows
from unlearn.matching import trial
from unlearn.matching.scene import Person, Scene, look_with, missing, of_folder
from unlearn.matching.trial import Cell
from unlearn.matching.views import Photo, Views, of_file, with_random_noise

SLIM = ("ranks", "accepted", "by_person")  # of a row, what the table's file leaves out


@dataclass(frozen=True)
class Design:
    """Who takes part: files by person, those who protect in turn, and how the cells are made."""

    gallery: dict[str, tuple[Path, ...]]
    probes: dict[str, tuple[Path, ...]]
    users: tuple[str, ...]
    seeds: int
    half: bool
    detector: str
    other_key: bool = False

    def others(self, method: str, surrogates: Sequence[str], seed: int, user: str) -> Cell | None:
        """The control of the same photos under the next user's key; None for noise that belongs to a photo."""
        if not self.other_key or not is_key(method) or len(self.users) < 2:
            return None
        stranger = self.users[(self.users.index(user) + 1) % len(self.users)]
        learn = self.cell(method, surrogates, seed, stranger).learn
        return replace(self.cell(method, surrogates, seed, user), learn=learn)

    def cell(self, method: str, surrogates: Sequence[str], seed: int, user: str) -> Cell:
        """One user's photos; with `half`, those that a key was not crafted on, and a cloak of each of them."""
        mine = self.gallery[user]
        learn = mine[: len(mine) // 2] if self.half and is_key(method) else self.kept(user)
        return Cell(method, tuple(surrogates), seed, user, learn, self.kept(user), self.detector)

    def kept(self, user: str) -> tuple[Path, ...]:
        """The gallery photos that a probe can find."""
        mine = self.gallery[user]
        return mine[len(mine) // 2 :] if self.half else mine


def is_key(method: str) -> bool:
    """True where a person's photos share their noise."""
    return bool(recipe.load(method).rows == "class-wise")


def _plain(value: object) -> object:
    """Files by their names alone: a result says nothing about the machine's folders."""
    if not isinstance(value, list):
        return value
    return [Path(each).name if each.endswith(".onnx") else each for each in value]


def design(arguments: argparse.Namespace, detector: str) -> Design:
    """People with enough photos, which are drawn by a seed of their own; the first of them protect.

    Raises:
        DataError: too few people with so many photos.
    """
    gallery, probes = {}, {}
    for folder in sorted(path for path in arguments.people.iterdir() if path.is_dir()):
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        if len(paths) < arguments.gallery + arguments.probes:
            continue
        order = np.random.default_rng([*folder.name.encode()]).permutation(len(paths))
        chosen = [paths[i] for i in order[: arguments.gallery + arguments.probes]]
        gallery[folder.name] = tuple(chosen[: arguments.gallery])
        probes[folder.name] = tuple(chosen[arguments.gallery :])
    if len(gallery) < arguments.users:
        raise DataError(f"{arguments.people}: {len(gallery)} people have enough photos, --users is {arguments.users}")
    users = tuple(gallery)[: arguments.users]
    return Design(gallery, probes, users, arguments.seeds, arguments.apply_to_other_half, detector, arguments.other_key)


def made(cells: Sequence[Cell], cache: Path, jobs: int, device: str) -> dict[Cell, Path]:
    """All cells' folders; those that are missing are made by `jobs` processes."""
    folders = {cell: trial.folder_of(cell, cache) for cell in cells}
    todo = [(cell, folder) for cell, folder in folders.items() if trial.facts_of(folder) is None]
    with progress.choose().task("protected photos", len(todo)) as advance:
        if jobs == 1:
            for cell, folder in todo:
                trial.make(cell, folder, device)
                advance(1)
        else:
            with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
                for waiting in [pool.submit(trial.make, cell, folder, device) for cell, folder in todo]:
                    waiting.result()
                    advance(1)
    return folders


@dataclass(frozen=True, eq=False)
class Shelf:
    """Photos by file, so that each is embedded once however many scenes it stands in."""

    views: Views
    photos: dict[Path, Photo]
    noisy: dict[tuple[Path, float, int], Photo]

    def clean(self, paths: Sequence[Path]) -> tuple[Photo, ...]:
        """Photos as they lie there."""
        return tuple(self.photos.setdefault(path, of_file(path)) for path in paths)

    def random(self, paths: Sequence[Path], epsilon: float, seed: int) -> tuple[Photo, ...]:
        """The control of the same budget."""
        photos = zip(paths, self.clean(paths), strict=True)
        return tuple(
            self.noisy.setdefault((path, epsilon, seed), with_random_noise(photo, self.views, epsilon, seed))
            for path, photo in photos
        )


def people(
    setup: Design, shelf: Shelf, turn: Sequence[str], folders: dict[Cell, Path], method: str, seed: int
) -> Iterator[Person]:
    """Everybody; users with the photos that this method protected with this seed."""
    epsilon = recipe.load(method).epsilon
    for name, paths in setup.probes.items():
        kept = setup.kept(name) if name in setup.users else setup.gallery[name]
        person = Person(name, shelf.clean(paths), {CLEAN: shelf.clean(kept)})
        if name in setup.users:
            protected, taught = (
                shelf.clean(trial.photos_of(cell, folders[cell]))
                for cell in (setup.cell(method, turn, s % setup.seeds, name) for s in (seed, seed + 1))
            )
            sets = {CLEAN: shelf.clean(kept), RANDOM: shelf.random(kept, epsilon, seed), PROTECTED: protected}
            if other := setup.others(method, turn, seed, name):
                sets |= {OTHER_KEY: shelf.clean(trial.photos_of(other, folders[other]))}
            person = replace(person, sets=sets, taught=taught)
        yield person


def table(arguments: argparse.Namespace, plan: FacePlan, turn: Sequence[str], asked: Sequence[str]) -> dict[str, Any]:
    """Rows and costs of all methods, crafted on the surrogates of one turn, before the recognisers asked."""
    setup, views = design(arguments, plan.detector), look_with(replace(plan, recognisers=tuple(asked)))
    methods = arguments.methods
    cells = [setup.cell(m, turn, s, u) for m in methods for s in range(setup.seeds) for u in setup.users]
    controls = [setup.others(cell.method, turn, cell.seed, cell.person) for cell in cells]
    folders = made(
        [*cells, *(c for c in controls if c)], Path(f"{arguments.out}.cache"), arguments.jobs, arguments.device
    )
    shelf, strangers = Shelf(views, {}, {}), of_folder(arguments.distractors)
    surrogates = tuple(embedders.load(name) for name in turn)
    common = {"surrogates": " + ".join(s.name for s in surrogates)}
    halves = {m: ("unseen" if is_key(m) else "own") if setup.half else None for m in methods}
    rows, lost = [], []
    for method in methods:
        facts = common | {"half": halves[method]}
        for seed in range(setup.seeds):
            everybody = tuple(people(setup, shelf, turn, folders, method, seed))
            scene = Scene(everybody, strangers, views, surrogates)
            found = matching_rows.cheap_rows(scene, plan, progress.choose(), seed)
            found += matching_rows.learned_rows(scene, plan, seed, progress.choose())
            rows += [{"method": method, **facts, **row} for row in found]
            lost += [{"method": method, "seed": seed, **each} for each in missing(everybody, strangers, views)]
    costs = [
        {"method": m, **common, "half": halves[m], **cost([folders[c] for c in cells if c.method == m])}
        for m in methods
    ]
    return {"rows": rows, "quality": costs, "not_found": [each for each in lost if each["set"] != "distractor"]}


def cost(folders: Sequence[Path]) -> dict[str, float]:
    """Means over all photos of a method's cells: quality of the photo and of the face, seconds a photo."""
    facts = [found for folder in folders if (found := trial.facts_of(folder))]
    photos = [photo for each in facts for photo in each["photos"] if photo["found"]]
    names = ("psnr", "ssim", "face_psnr", "face_ssim")
    return {
        **{name: statistics.fmean(photo[name] for photo in photos) for name in names},
        "max_levels": max(photo["max_levels"] for photo in photos),
        "seconds_a_photo": statistics.fmean(each["seconds_a_photo"] for each in facts),
    }


def told(line: Line) -> dict[str, Any]:
    """A line as JSON."""
    return {**line.place, **line.facts, "sets": {name: asdict(f) for name, f in line.sets.items()}, "gap": line.gap}


def turns(arguments: argparse.Namespace) -> list[tuple[list[str], list[str]]]:
    """(surrogates, recognisers asked): as given, or every recogniser once with all the others as surrogates."""
    if not arguments.turns:
        return [(arguments.surrogates, arguments.recognisers)]
    every = arguments.recognisers
    return [([other for other in every if other != asked], [asked]) for asked in every]


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All turns as one result."""
    plan = recipe_check.load_matching(arguments.recipe)
    parts = [table(arguments, plan, surrogates, asked) for surrogates, asked in turns(arguments)]
    rows = [row for part in parts for row in part["rows"]]
    results = matching_rows.collect(rows, plan, look_with(replace(plan, recognisers=tuple(arguments.recognisers))))
    names = ("users", "gallery", "probes", "seeds", "methods", "recognisers", "surrogates", "turns")
    results |= {
        "design": {name: _plain(getattr(arguments, name)) for name in names} | {"people": arguments.people.name},
        "summaries": {m: summarize([row for row in rows if row["method"] == m]) for m in arguments.methods},
        "lines": [told(line) for line in lines(rows)],
        "quality": [each for part in parts for each in part["quality"]],
        "not_found": [each for part in parts for each in part["not_found"]],
    }
    return results


def written(arguments: argparse.Namespace) -> dict[str, Any]:
    """The results, with a file that holds them without the ranks of single probes, and a report beside it."""
    results = run(arguments)
    slim = [{name: value for name, value in row.items() if name not in SLIM} for row in results["rows"]]
    with files.output_errors(arguments.out):
        files.write_json(arguments.out, plain({**results, "rows": slim}))
        files.write_text(arguments.out.with_suffix(".md"), face_report.as_markdown(results))
    return results


def listed(text: str) -> list[str]:
    """`a,b` as a list."""
    return [part.strip() for part in text.split(",") if part.strip()]


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--people", type=Path, required=True, help="a folder with one folder a person")
    parser.add_argument("--distractors", type=Path, help="a folder of other people's photos")
    parser.add_argument("--methods", type=listed, required=True, help="recipes, such as faces/mid,faces/opom-mid")
    parser.add_argument("--recognisers", type=listed, default=["facenet", "dlib"])
    parser.add_argument("--surrogates", type=listed, default=["facenet"])
    parser.add_argument("--turns", action="store_true", help="each recogniser once, crafted on all the others")
    parser.add_argument(
        "--apply-to-other-half", action="store_true", help="keys laid on photos they did not learn; cloaks beside"
    )
    parser.add_argument("--other-key", action="store_true", help="the control under another person's key, too")
    parser.add_argument("--recipe", default="audits/faces", help="channels and attacks")
    for name, count in (("users", 20), ("gallery", 5), ("probes", 5), ("seeds", 3), ("jobs", 1)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--device", default="cpu", help="for crafting: cpu or cuda")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    import command

    command.said(lambda: face_report.show(written(parsed())))
