"""An adaptive trainer that is cheap: a linear map learned on other people's clean and protected features.

It stands for an attacker who has this tool, protects photos of people whom he knows, and teaches his matcher that both
versions are the same person. It trains no layer of the embedder, so an attacker with more compute does better.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unlearn.audit.face_plan import Adapter
from unlearn.audit.face_rows import CLEAN, PROTECTED, Gallery, Known, found
from unlearn.audit.gallery import Features

SCALE = 16.0  # of cosines before the softmax


def adapted(scene: Gallery, held: Iterable[str], settings: Adapter, seed: int) -> Gallery | None:
    """The gallery through a map learned from everybody but `held`; None where there is nobody to learn from."""
    names = set(held)
    teachers = [p for p in scene.people if p.name not in names and (PROTECTED in p.sets or p.taught is not None)]
    if len(teachers) < 2:
        return None
    parts = [_lessons(person) for person in teachers]
    labels = torch.from_numpy(np.repeat(np.arange(len(parts)), [len(part) for part in parts]))
    weights = learn(torch.from_numpy(np.concatenate(parts)), labels, settings, seed).numpy()
    return Gallery(tuple(_person(p, weights) for p in scene.people), _through(scene.distractors, weights))


def _lessons(person: Known) -> Features:
    changed = person.sets.get(PROTECTED, person.probes[:0]) if person.taught is None else person.taught
    return np.concatenate([found(person.sets[CLEAN]), found(changed)])


def _person(person: Known, weights: Features) -> Known:
    sets = {name: _through(features, weights) for name, features in person.sets.items()}
    return replace(person, probes=_through(person.probes, weights), sets=sets)


def _through(features: Features, weights: Features) -> Features:
    mapped = features @ weights
    norms = np.linalg.norm(mapped, axis=1, keepdims=True)
    return np.asarray(mapped / np.maximum(norms, 1e-12), dtype=np.float32)


def learn(features: Tensor, labels: Tensor, settings: Adapter, seed: int) -> Tensor:
    """A map (D, D) near the identity, by Adam on a cosine softmax over the people; features (N, D), labels (N,)."""
    generator = torch.Generator().manual_seed(seed)
    size, classes = features.shape[1], int(labels.max()) + 1
    change = torch.zeros(size, size, requires_grad=True)
    heads = torch.randn(classes, size, generator=generator)
    heads = (F.one_hot(labels, classes).float().T @ features + 0.1 * heads / size**0.5).requires_grad_()
    optimizer = torch.optim.Adam([change, heads], lr=settings.lr)
    for _ in range(settings.steps):
        mapped = F.normalize(features + features @ change, dim=1)
        loss = F.cross_entropy(SCALE * mapped @ F.normalize(heads, dim=1).T, labels)
        optimizer.zero_grad()
        (loss + settings.decay * change.square().sum()).backward()
        optimizer.step()
    return (torch.eye(size) + change).detach()
