"""What an audit against matching looks at: people with probes and galleries, distractors, and recognisers."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from unlearn.audit.face_plan import FacePlan
from unlearn.audit.face_rows import Gallery, Known
from unlearn.audit.gallery import Features
from unlearn.errors import DataError
from unlearn.faces import detectors, embedders
from unlearn.faces.recogniser import Recogniser
from unlearn.images import SUFFIXES
from unlearn.matching.views import Photo, Views, of_file


@dataclass(frozen=True, eq=False)
class Person:
    """Photos of one person: clean probes, and the gallery photos by what was done to them, in the same order.

    sets: `clean` always; `protected` and controls for those who protect themselves.
    taught: the person's photos as an attacker who has this tool protected them, with keys and seeds of his own; none
        of them: he takes the protected ones.
    """

    name: str
    probes: tuple[Photo, ...]
    sets: Mapping[str, tuple[Photo, ...]]
    taught: tuple[Photo, ...] = ()

    @property
    def photos(self) -> list[Photo]:
        """All of them."""
        return [*self.probes, *self.taught, *(photo for photos in self.sets.values() for photo in photos)]


@dataclass(frozen=True, eq=False)
class Scene:
    """Everybody's photos, distractors, the recognisers that look at them, and what is known of the surrogates."""

    people: tuple[Person, ...]
    distractors: tuple[Photo, ...]
    views: Views
    surrogates: tuple[Recogniser, ...] | None = None


def look_with(plan: FacePlan, device: torch.device | None = None) -> Views:
    """The plan's detector and recognisers on the device.

    Raises:
        DataError: two recognisers of one name. WeightsError, UnknownName: as loading them does.
    """
    loaded = tuple(embedders.load(name) for name in plan.recognisers)
    names = [recogniser.name for recogniser in loaded]
    if len(set(names)) < len(names):
        raise DataError(f"two recognisers of one name: {', '.join(names)}; rename a file")
    where = device or torch.device("cpu")
    for recogniser in loaded:
        recogniser.network.to(where)
    return Views(detectors.load(plan.detector), loaded, where)


def of_folder(folder: Path | None) -> tuple[Photo, ...]:
    """The photos of a folder and those below it, in the order of their paths.

    Raises:
        DataError: not a folder, or no photo in it.
    """
    if folder is None:
        return ()
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        raise DataError(f"{folder}: no photos here ({', '.join(SUFFIXES)})")
    return tuple(of_file(path, str(path.relative_to(folder))) for path in paths)


def galleries(scene: Scene, plan: FacePlan) -> Iterator[tuple[Recogniser, str, Gallery]]:
    """Every recogniser's features after every channel; probes are as they were taken."""
    for recogniser in scene.views.recognisers:
        for channel in plan.channels:
            yield recogniser, channel, gallery(scene, recogniser, channel)


def gallery(scene: Scene, recogniser: Recogniser, channel: str, views: Views | None = None) -> Gallery:
    """One recogniser's features; the gallery went through the channel, the probes did not."""
    views = views or scene.views

    def features(photos: Sequence[Photo], through: str = channel) -> Features:
        return views.table(photos, through, recogniser)

    def known(person: Person) -> Known:
        sets = {name: features(photos) for name, photos in person.sets.items()}
        taught = features(person.taught) if person.taught else None
        return Known(person.name, features(person.probes, "none"), sets, taught)

    return Gallery(tuple(map(known, scene.people)), features(scene.distractors))


def about(recogniser: Recogniser, surrogates: Sequence[Recogniser] | None) -> dict[str, Any]:
    """What a row says of its recogniser; white_box is None where the surrogates are not known."""
    kin = [other for other in surrogates or () if not same_weights(other, recogniser)]
    return {
        "recogniser": recogniser.name,
        "family": recogniser.family,
        "trained_on": recogniser.trained_on,
        "white_box": None if surrogates is None else len(kin) < len(surrogates),
        "kin": [
            f"{what} as {other.name}"
            for other in kin
            for what, name in (("same family", "family"), ("same training data", "trained_on"))
            if getattr(other, name) == getattr(recogniser, name)
        ],
    }


def same_weights(one: Recogniser, other: Recogniser) -> bool:
    """True for two recognisers with equal weights, whatever their names are."""
    return one is other or weights_digest(one) == weights_digest(other)


def weights_digest(recogniser: Recogniser) -> str:
    """SHA-256 of all weights in their order."""
    digest = hashlib.sha256()
    for tensor in recogniser.network.state_dict().values():
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def missing(people: Sequence[Person], distractors: Sequence[Photo], views: Views) -> list[dict[str, str]]:
    """Photos in which no face was found: person, set, channel and the file's name."""
    places = [(p.name, "probe", photo) for p in people for photo in p.probes]
    places += [(p.name, name, photo) for p in people for name, photos in p.sets.items() for photo in photos]
    places += [("", "distractor", photo) for photo in distractors]
    lost: dict[Photo, list[str]] = {}
    for (photo, channel), face in views.faces.items():
        if face is None:
            lost.setdefault(photo, []).append(channel)
    return [
        {"person": person, "set": name, "channel": ", ".join(lost[photo]), "photo": photo.name}
        for person, name, photo in places
        if photo in lost
    ]
