"""Attackers that train all layers of a recogniser: on other people's protected photos, or end-to-end on everybody's.

Adam at a fixed rate on crops, mirrored by chance; a person is drawn first, then one of the photos. FaceCure trains
500 steps an epoch for ten epochs with Keras's Adadelta; the steps here are the plan's, and stand in results.json.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearn import randomness
from unlearn.audit.face_lines import row
from unlearn.audit.face_plan import Tuning
from unlearn.audit.face_rows import CLEAN, PROTECTED, Gallery, Outcome
from unlearn.faces.recogniser import Recogniser
from unlearn.matching.scene import Person, Scene, gallery
from unlearn.matching.views import BATCH, Photo, Views
from unlearn.progress import Progress
from unlearn.quantities import LEVELS

SCALE = 16.0  # of cosines before the softmax
Row = dict[str, Any]
Tuned = tuple[Recogniser, Tensor]  # and its head's weights (classes, D)


def tune(
    recogniser: Recogniser,
    crops: Sequence[Tensor],
    settings: Tuning,
    seed: int,
    device: torch.device,
    progress: Progress,
) -> Tuned:
    """A copy of the recogniser, all layers trained to tell people apart by a cosine softmax.

    Args:
        crops: uint8 (N, 3, side, side) by person, none of them empty.
    """
    network = copy.deepcopy(recogniser.network).to(device).requires_grad_()
    learner = replace(recogniser, network=network)
    heads = _heads(learner, crops, device)
    optimizer = torch.optim.Adam([*network.parameters(), heads], lr=settings.lr)
    with progress.task(f"training {recogniser.name}", settings.steps) as advance:
        for step in range(settings.steps):
            images, labels = _batch(crops, settings.batch_size, seed, step)
            features = learner.embed(images.to(device))
            loss = F.cross_entropy(SCALE * features @ F.normalize(heads, dim=1).T, labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            advance(1)
    network.requires_grad_(False)
    return learner, F.normalize(heads, dim=1).detach()


def _heads(recogniser: Recogniser, crops: Sequence[Tensor], device: torch.device) -> Tensor:
    """The head starts where the frozen network sees each person: at the mean of some features."""
    with torch.no_grad():
        means = [recogniser.embed(each[:BATCH].to(device).float() / LEVELS).mean(0) for each in crops]
    return nn.Parameter(torch.stack(means))


def _batch(crops: Sequence[Tensor], size: int, seed: int, step: int) -> tuple[Tensor, Tensor]:
    """Float crops (B, 3, side, side), half of them mirrored, and their people (B,)."""
    draws = randomness.Draws(seed, step, torch.arange(size))
    labels = draws.integers("person", len(crops))
    at, mirror = draws.uniform("photo"), draws.uniform("mirror") < 0.5
    chosen = [crops[int(label)][int(place * len(crops[int(label)]))] for label, place in zip(labels, at, strict=True)]
    images = torch.stack(chosen).float() / LEVELS
    return torch.where(mirror[:, None, None, None], images.flip(3), images), labels


def adaptive(
    scene: Scene, recogniser: Recogniser, held: Sequence[str], settings: Tuning, seed: int, progress: Progress
) -> Gallery | None:
    """The gallery seen by a recogniser that was trained on everybody but `held`, clean and protected.

    None where fewer than two others protect. Photos are as they are, without a channel.
    """
    teachers = [p for p in scene.people if p.name not in set(held) and PROTECTED in p.sets]
    crops = [_crops(scene.views, recogniser, (*p.sets[CLEAN], *(p.taught or p.sets[PROTECTED]))) for p in teachers]
    crops = [each for each in crops if len(each)]
    if len(crops) < 2:
        return None
    learner, _ = tune(recogniser, crops, settings, seed, scene.views.device, progress)
    views = replace(scene.views, recognisers=(learner,), features={})
    views.look([*(photo for person in scene.people for photo in person.photos), *scene.distractors], progress=progress)
    return gallery(scene, learner, "none", views)


def _crops(views: Views, recogniser: Recogniser, photos: Sequence[Photo]) -> Tensor:
    return views.crops(photos, "none", recogniser)[0]


def end_to_end(scene: Scene, recogniser: Recogniser, settings: Tuning, facts: Row, progress: Progress) -> list[Row]:
    """Rows of a classifier of all people, all layers trained: one user's photos changed, everybody else's clean.

    Users are the first `settings.users` of a seeded order; each has a training of its own for every set.
    """
    known = gallery(scene, recogniser, "none")
    names = sorted({user.name for user in known.users(PROTECTED)})
    order = np.random.default_rng(facts["seed"]).permutation(len(names))[: settings.users]
    users = [person for person in scene.people if person.name in {names[i] for i in order}]
    clean = [_crops(scene.views, recogniser, person.sets[CLEAN]) for person in scene.people]
    outcomes: dict[str, Outcome] = {}
    for user in users:
        for chosen in user.sets:
            ranks = _classified(scene, recogniser, clean, user, chosen, settings, facts["seed"], progress)
            outcomes.setdefault(chosen, Outcome()).ranks[user.name] = ranks
    rest = {"attack": "end-to-end"}
    return [row(each, known, facts | rest | {"set": name}, len(clean)) for name, each in outcomes.items()]


def _classified(
    scene: Scene, recogniser: Recogniser, clean: Sequence[Tensor], user: Person, chosen: str,
    settings: Tuning, seed: int, progress: Progress,
) -> Any:  # fmt: skip
    """The user's place among the classes for every probe of the user, (P,)."""
    views, place = scene.views, scene.people.index(user)
    crops = list(clean)
    crops[place] = _crops(views, recogniser, user.sets[chosen])
    there = [i for i, each in enumerate(crops) if len(each)]
    learner, heads = tune(recogniser, [crops[i] for i in there], settings, seed, views.device, progress)
    probes = _crops(views, recogniser, user.probes).to(views.device).float() / LEVELS
    with torch.inference_mode():
        scores = (learner.embed(probes) @ heads.T).cpu().numpy()
    mine = there.index(place)
    return 1 + np.asarray((np.delete(scores, mine, 1) >= scores[:, [mine]]).sum(axis=1), dtype=np.int64)
