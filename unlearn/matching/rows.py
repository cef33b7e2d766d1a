"""All rows of an audit against matching: which attack runs on which gallery, with its controls."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from unlearn import schema
from unlearn.audit import face_adapter, face_rows
from unlearn.audit.face_lines import row, summarize
from unlearn.audit.face_plan import Adapter, FacePlan, Tuning
from unlearn.audit.face_rows import CLEAN, EVERYBODY, ONE, PROTECTED, Attack, Gallery, Outcome
from unlearn.environment import device_name, versions
from unlearn.faces.recogniser import Recogniser
from unlearn.matching import attacks
from unlearn.matching.scene import Scene, about, galleries, gallery
from unlearn.matching.views import Views
from unlearn.progress import Progress

NEAREST, LINEAR = "1-NN", "linear probe"
Row = dict[str, Any]


def archive_rows(scene: Scene, plan: FacePlan, progress: Progress) -> list[Row]:
    """All rows of the plan: cheap ones once, attackers that train once a seed."""
    rows = cheap_rows(scene, plan, progress)
    for seed in range(plan.seeds):
        rows += learned_rows(scene, plan, seed, progress)
    return rows


def cheap_rows(scene: Scene, plan: FacePlan, progress: Progress, seed: int = 0) -> list[Row]:
    """1-NN and linear probe after every channel, with controls, everybody protected, and clean leaks."""
    _look(scene, plan.channels, progress)
    whos = (ONE, EVERYBODY) if plan.everyone else (ONE,)
    attacks: Mapping[str, Attack] = {NEAREST: face_rows.nearest} | ({LINEAR: face_rows.linear} if plan.linear else {})
    rows: list[Row] = []
    for recogniser, channel, known in galleries(scene, plan):
        facts = about(recogniser, scene.surrogates) | {"channel": channel, "seed": seed}
        leaks = (0.0, *plan.leaks) if channel == plan.channels[0] else (0.0,)
        for name, attack in attacks.items():
            for who in whos:
                for leak in leaks if who == ONE else leaks[:1]:
                    more = {"attack": name, "who": who, "leak": leak}
                    rows += _sets(known, attack, facts | more, _candidates(known, name))
    return rows


def _look(scene: Scene, channels: Sequence[str], progress: Progress) -> None:
    """See the gallery through the channels, and the probes as they were taken."""
    probes = {photo for person in scene.people for photo in person.probes}
    scene.views.look([photo for person in scene.people for photo in person.probes], progress=progress)
    gallery = [photo for person in scene.people for photo in person.photos if photo not in probes]
    scene.views.look([*gallery, *scene.distractors], channels, progress)


def _candidates(known: Gallery, attack: str) -> int:
    """Among how many photos, or people, a probe's place is counted."""
    if attack != NEAREST:
        return len(known.people)
    return len(known.distractors) + sum(len(person.sets[CLEAN]) for person in known.people)


def _sets(known: Gallery, attack: Attack, facts: Row, candidates: int) -> list[Row]:
    """One row a set, all of them for those who protect themselves; a leak concerns what is clean and protected."""
    users = [person.name for person in known.people if PROTECTED in person.sets] or None
    names = list(dict.fromkeys(name for person in known.people for name in person.sets))
    chosen = [name for name in names if not facts["leak"] or name in (CLEAN, PROTECTED)]
    outcomes = ((name, attack(known, name, facts["who"], facts["leak"], users)) for name in chosen)
    return [row(outcome, known, facts | {"set": name}, candidates) for name, outcome in outcomes if outcome.ranks]


def learned_rows(scene: Scene, plan: FacePlan, seed: int, progress: Progress) -> list[Row]:
    """Attackers that train, on photos as they are: the adapter, and all layers where the plan has steps for it."""
    rows: list[Row] = []
    _look(scene, ("none",), progress)
    for recogniser in scene.views.recognisers:
        facts = about(recogniser, scene.surrogates) | {"channel": "none", "who": ONE, "leak": 0.0, "seed": seed}
        if plan.adapter.steps:
            rows += _adapter_rows(scene, recogniser, plan.adapter, facts)
        if plan.adaptive.steps:
            rows += _adaptive_rows(scene, recogniser, plan.adaptive, facts, progress)
        if plan.end_to_end.steps:
            rows += attacks.end_to_end(scene, recogniser, plan.end_to_end, facts, progress)
    return rows


def _adapter_rows(scene: Scene, recogniser: Recogniser, settings: Adapter, facts: Row) -> list[Row]:
    known = gallery(scene, recogniser, "none")

    def adapt(held: Sequence[str]) -> Gallery | None:
        return face_adapter.adapted(known, held, settings, facts["seed"])

    return _folded(adapt, _folds(scene, settings.folds, facts["seed"]), facts, "adaptive adapter")


def _adaptive_rows(scene: Scene, recogniser: Recogniser, settings: Tuning, facts: Row, progress: Progress) -> list[Row]:
    def adapt(held: Sequence[str]) -> Gallery | None:
        return attacks.adaptive(scene, recogniser, held, settings, facts["seed"], progress)

    return _folded(adapt, _folds(scene, settings.folds, facts["seed"]), facts, "adaptive, all layers")


def _folds(scene: Scene, count: int, seed: int) -> list[list[str]]:
    return face_rows.groups((p.name for p in scene.people if PROTECTED in p.sets), count, seed)


def _folded(
    adapt: Callable[[Sequence[str]], Gallery | None], folds: Sequence[Sequence[str]], facts: Row, attack: str
) -> list[Row]:
    """1-NN and linear probe on every fold's users, in a space learned from everybody else."""
    made: dict[tuple[str, str], Outcome] = {}
    last = None
    for held in folds:
        known = adapt(held)
        if known is None:
            continue
        last = known
        for name, attacker in ((NEAREST, face_rows.nearest), (LINEAR, face_rows.linear)):
            for chosen in dict.fromkeys(name for person in known.people for name in person.sets):
                made.setdefault((name, chosen), Outcome()).add(attacker(known, chosen, ONE, 0.0, held))
    return [
        row(outcome, last, facts | {"attack": f"{attack}, {name}", "set": chosen}, _candidates(last, name))
        for (name, chosen), outcome in made.items()
        if last is not None and outcome.ranks
    ]


def collect(rows: list[Row], plan: FacePlan, views: Views) -> dict[str, Any]:
    """results.json as data, from its rows."""
    return {
        "version": 1,
        "threat": "matching",
        "rows": rows,
        "summary": summarize(rows),
        "settings": {"audit": schema.plain(plan)},
        "versions": versions(),
        "machine": {"device": device_name(views.device), "threads": torch.get_num_threads()},
        "not_run": [*_off(plan), *plan.not_run],
    }


def _off(plan: FacePlan) -> list[str]:
    """Attacks that the plan leaves out, in words."""
    attacks = {
        "a linear probe": plan.linear,
        "an adapter that knows this tool": plan.adapter.steps,
        "an adaptive trainer of all layers": plan.adaptive.steps,
        "end-to-end training": plan.end_to_end.steps,
    }
    return [name for name, on in attacks.items() if not on]
