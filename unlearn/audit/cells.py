"""One cell of an audit: a victim trained once on one training set under one defense, tested on clean images."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unlearn import files, placing, pretrained, schema, streamed, training
from unlearn.audit.plan import AuditPlan
from unlearn.audit.sharing import Purified
from unlearn.datasets import ImageDataset, stratified
from unlearn.defenses import Defense, Job, Scene
from unlearn.images import Pixels
from unlearn.streamed import Images

CONTROLS = ("clean", "random", "clean-part")


@dataclass(frozen=True)
class Cell:
    """Coordinates of one training run.

    portion: share of the samples that are protected, the rest being clean; None for all as given.
    classes: the classes that are protected, the others being clean; None for all.
    """

    train_on: str
    defense: Defense
    victim: str
    seed: int
    portion: float | None = None
    classes: tuple[str, ...] | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """The coordinates as they stand in results.json."""
        place = {
            "train_on": self.train_on,
            "defense": self.defense.label,
            "victim": self.victim,
            "seed": self.seed,
        }
        if self.portion is not None:
            place |= {"kind": "portion", "value": self.portion}
        if self.classes is not None:
            place |= {"kind": "classes", "value": list(self.classes)}
        return place


@dataclass(frozen=True)
class Bench:
    """What all cells share: the clean samples, their pixels in each training set by name, and the test set.

    The pixels of all sets are uint8 (N, C, H, W) in the clean data's order; order of batches and augmentation
    follow the clean samples' keys, so that sets differ in nothing but their pixels.
    """

    clean: ImageDataset
    sets: Mapping[str, Pixels]
    test: ImageDataset
    plan: AuditPlan
    device: torch.device
    precision: torch.dtype
    purified: Purified = field(default_factory=Purified)


def control(train_on: str) -> bool:
    """Whether a training set is one of an audit's controls, and no protected one."""
    return train_on in CONTROLS or further_control(train_on)


def further_control(train_on: str) -> bool:
    """Whether it is the random control of a set whose budget is not the first one's, such as `random:ops`."""
    return train_on.startswith("random:")


def cells(sets: Iterable[str], plan: AuditPlan) -> list[Cell]:
    """Every cell of the grid, then of the sweep, in the order in which a reader wants them."""
    names = list(sets)
    grid = [
        Cell(train_on, defense, victim, seed)
        for defense in plan.defenses
        for victim in plan.victims
        for seed in plan.victim_seeds
        for train_on in names
        if defense == plan.defenses[0] or not further_control(train_on)
    ]
    first = Cell("protected", plan.defenses[0], plan.victims[0], plan.first_seed)
    portions = [
        replace(first, train_on=train_on, portion=portion, seed=seed)
        for portion in plan.sweep.portions
        for train_on in ("protected", "clean-part")
        for seed in plan.victim_seeds
        if portion < 1 or train_on == "protected"
    ]
    classes = [replace(first, classes=c, seed=seed) for c in plan.sweep.classes for seed in plan.victim_seeds]
    return grid + portions + classes


def run(cell: Cell, bench: Bench, after_epoch: Callable[[int], None]) -> dict[str, Any]:
    """Train and test; the row of results.json."""
    clock = time.thread_time if bench.device.type == "cpu" else time.process_time  # others run beside it on a CPU
    started, worked = time.monotonic(), clock()
    victim, job, test, test_labels = _prepared(cell, bench, after_epoch)
    curve, clean, mirror = job.defense.learn(victim, job), bench.clean, bench.plan.training.mirror_test
    return {
        **cell.facts,
        "clean_test_accuracy": curve.test[-1],
        "peak_clean_test_accuracy": max(curve.test),
        "train_accuracy": curve.train[-1],
        "seconds": round(time.monotonic() - started, 2),
        "cpu_seconds": round(clock() - worked, 2),
        **({"presumes": cell.defense.presumes} if cell.defense.presumes else {}),
        **_by_protection(cell, victim, test, test_labels, clean.names, mirror),
        **(_by_class(victim, test, test_labels, clean.names, mirror) if bench.plan.by_class else {}),
        "curve": asdict(curve),
    }


def _prepared(cell: Cell, bench: Bench, after_epoch: Callable[[int], None]) -> tuple[nn.Module, Job, Images, Tensor]:
    """The victim, its job, and the test images, purified, with their labels; what was found is let go of."""
    scene, shared = _scene(cell, bench), bench.purified
    defense = cell.defense.fit(scene)
    # What was learned is no part of a name: each fit has its own images, those of tests as well.
    again, tests = ("", "") if cell.defense.learns else (_used_again(cell, bench.plan), "test")
    test = shared.images(defense, tests, lambda: streamed.on_device(bench.test.images, bench.device))
    labels = torch.from_numpy(bench.test.labels).to(bench.device)
    job = Job(
        replace(scene.found, images=shared.images(defense, again, lambda: scene.found.images)),
        bench.plan.training,
        cell.seed,
        defense,
        scene.leaked,
        test=lambda network: training.accuracy(network, test, labels, bench.plan.training.mirror_test),
        after_epoch=after_epoch,
        precision=bench.precision,
    )
    victim = _victim(cell, bench)
    training.whiten(victim, job.data, cell.seed)
    return victim, job, test, labels


def _used_again(cell: Cell, plan: AuditPlan) -> str:
    """The name of a training set that other cells train on too; empty for mixed sets, and where there is one victim."""
    whole = cell.portion is None and cell.classes is None
    return f"train:{cell.train_on}" if whole and len(plan.victims) * plan.seeds > 1 else ""


def _victim(cell: Cell, bench: Bench) -> nn.Module:
    victim = training.build(cell.victim, bench.clean.classes, bench.clean.images.shape[1:], cell.seed)
    if bench.plan.weights:
        pretrained.load(victim, Path(bench.plan.weights))
    return victim.to(bench.device)


def _scene(cell: Cell, bench: Bench) -> Scene:
    """What the trainer of this cell has; pairs that leak are of the protection in question, for controls too.

    A purifier learned from pairs is thus the same for the controls: what it does to clean images is seen beside what
    it undoes.
    """
    pixels, index = training_set(cell, bench)
    protected = bench.sets["protected" if control(cell.train_on) else cell.train_on]

    def leaked(positions: Tensor) -> tuple[Tensor, Tensor]:
        chosen = index[positions.cpu().numpy()]
        clean, changed = (torch.from_numpy(part[chosen]).to(bench.device) for part in (bench.clean.images, protected))
        return clean, changed

    return Scene(_found(pixels, index, bench), cell.seed, leaked)


def _found(pixels: Pixels, index: NDArray[np.int64], bench: Bench) -> training.Batches:
    return training.batches(pixels, bench.clean.labels[index], bench.clean.keys[index], bench.device)


def training_set(cell: Cell, bench: Bench) -> tuple[Pixels, NDArray[np.int64]]:
    """Pixels of this cell and the positions of their samples: a whole set, or clean and protected ones mixed."""
    everyone = np.arange(len(bench.clean))
    if cell.portion is None and cell.classes is None:
        return bench.sets[cell.train_on], everyone
    mask = _protected_part(cell, bench.clean)
    if cell.train_on == "clean-part":
        return placing.picked(bench.clean.images, everyone[~mask]), everyone[~mask]
    return _mixed(mask, bench.sets["protected"], bench.clean.images), everyone


def _mixed(mask: NDArray[np.bool_], protected: Pixels, clean: Pixels) -> Pixels:
    """The protected version where the mask (N,) is true, the clean one elsewhere."""
    out = placing.zeros(clean.shape, clean.dtype)
    for part in placing.blocks(out):
        out[part] = np.where(mask[part, None, None, None], protected[part], clean[part])
    return out


def _protected_part(cell: Cell, clean: ImageDataset) -> NDArray[np.bool_]:
    if cell.classes is not None:
        return np.isin(clean.labels, [clean.names.index(name) for name in cell.classes])
    mask = np.zeros(len(clean), dtype=np.bool_)
    mask[stratified(clean, _count(cell.portion or 0, len(clean)), cell.seed)] = True
    return mask


def _count(portion: float, samples: int) -> int:
    """How many are protected: of few samples one at least, and all but one at most, on which the control is trained."""
    return samples if portion == 1 else min(max(1, round(portion * samples)), samples - 1)


def _by_protection(
    cell: Cell, victim: nn.Module, test: Images, labels: Tensor, names: tuple[str, ...], mirror: bool
) -> dict[str, float]:
    """Accuracy on the protected classes and on the others, where only some classes are protected."""
    if cell.classes is None:
        return {}
    wanted = torch.tensor([names.index(name) for name in cell.classes], device=labels.device)
    inside = torch.isin(labels, wanted)
    hits = _hits(victim, test, labels, mirror)
    parts = {"protected_classes_accuracy": hits[inside], "other_classes_accuracy": hits[~inside]}
    return {name: float(part.mean()) for name, part in parts.items()}


def _hits(victim: nn.Module, test: Images, labels: Tensor, mirror: bool) -> Tensor:
    return (training.predictions(victim, test, mirror=mirror) == labels).float()


def _by_class(victim: nn.Module, test: Images, labels: Tensor, names: tuple[str, ...], mirror: bool) -> dict[str, Any]:
    """Accuracy on every class that the test set has."""
    hits = _hits(victim, test, labels, mirror)
    found = {name: hits[labels == label] for label, name in enumerate(names)}
    return {"class_accuracy": {name: float(part.mean()) for name, part in found.items() if len(part)}}


def settings(cell: Cell, plan: AuditPlan) -> dict[str, Any]:
    """Everything that decides a cell's result besides its images; part of its cache key."""
    chosen = {**cell.facts, "settings": schema.plain(cell.defense), "training": schema.plain(plan.training)}
    if cell.defense.files:
        chosen["files"] = [files.sha256(Path(path)) for path in cell.defense.files]
    if plan.weights:
        chosen["weights"] = files.sha256(Path(plan.weights))
    return chosen | ({"by_class": True} if plan.by_class else {})
