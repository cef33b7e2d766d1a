"""Keys for faces from an album: one person, one row of noise, learned on aligned canvases of the person's face.

Nothing of a face is written to the disk but the key: canvases live in memory while a key is crafted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlearn import album
from unlearn.album import Album
from unlearn.crafting.workers import Workers, alone
from unlearn.datasets import ImageDataset
from unlearn.errors import DataError
from unlearn.faces import embedders
from unlearn.faces.face import Face
from unlearn.faces.geometry import to_canvas
from unlearn.matching.views import cut, main_face
from unlearn.perturbation import Additive
from unlearn.photos import finding, whose
from unlearn.photos.jobs import Finder
from unlearn.photos.keys import Key
from unlearn.photos.picture import Damaged, LeftOut
from unlearn.photos.survey import Shot
from unlearn.progress import Progress, Silent
from unlearn.quantities import FINE, LEVELS
from unlearn.recipe import Recipe
from unlearn.run import embedders as on_device
from unlearn.stretched import Stretched

FACES = 20  # photos of a person that a key is made from
TRIED = 60  # photos that are searched for them
FEW = 5  # faces from which a key fits a person's other photos, too
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Crafted:
    """Keys by person. faceless: persons without a key, because no photo of theirs shows a face. notes: for the user."""

    keys: dict[str, Key]
    faceless: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def craft_keys(
    people: Mapping[str, Sequence[Shot]],
    settings: Recipe,
    intensity: str,
    work: Path,
    finder: Finder,
    progress: Progress | None = None,
    team: Workers | None = None,
) -> Crafted:
    """A key for every person in whose photos a face is found, crafted on up to FACES of them.

    Args:
        people: names and photos. settings: a recipe for faces with rows class-wise. intensity: what the key is called.
        work: folder for checkpoints and the secret seed; a killed run goes on from it. Only its owner may read it.

    Raises:
        WeightsError: recognisers that are not installed. Interrupted: after a stop request, with a checkpoint.
    """
    team = team or alone()
    progress = progress if progress and team.main else Silent()
    secret = album.secret_of(work, {name: [shot.path for shot in shots] for name, shots in people.items()}, team)
    found = collect(people, side_of(settings), finder, secret, progress)
    faceless = tuple(name for name in people if name not in found)
    if not found:
        return Crafted({}, faceless)
    faces = _by_person(found) if settings.embedders else album.with_decoys(found)
    on = on_device(settings.embedders, team.device)
    noise = fine(settings.method.craft(album.problem(settings, faces, secret, work, team, progress, on)))
    threat = "matching" if settings.embedders else "training"
    made = {
        name: album.key(name, noise[i], settings, intensity, secret, threat, "face")
        for i, name in enumerate(faces.subjects)
    }
    return Crafted(made, faceless, (*notes(settings), *_few(found)))


def side_of(settings: Recipe) -> int:
    """Pixels of a canvas.

    Raises:
        DataError: the recipe has no square images.
    """
    fit = settings.data.fit
    if fit is None or fit.height != fit.width:
        raise DataError(f"recipe {settings.name} is not for faces: it needs a square data.fit")
    return fit.height


def notes(settings: Recipe) -> Iterator[str]:
    """A line for every recogniser that noise is made with: its licence and what it was trained on."""
    for name in settings.embedders:
        each = embedders.load(name)
        yield f"noise on faces is made with {each.name}: {each.licence}; trained on {each.trained_on}"


def _few(found: Mapping[str, Sequence[Pixels]]) -> Iterator[str]:
    """A line for the user, where keys are made from little."""
    few = [f"{name} ({len(mine)})" for name, mine in found.items() if len(mine) < FEW]
    if few:
        shown = ", ".join(few[:6]) + (" ..." if len(few) > 6 else "")
        yield f"keys made from fewer than {FEW} faces, which may not fit other photos of these persons: {shown}"


def fine(noise: Additive | Stretched) -> NDArray[np.int16]:
    """Rows of noise (R, C, S, S) in 1/FINE of a level."""
    steps = 1 if isinstance(noise, Stretched) else FINE
    rows: NDArray[np.int16] = noise.delta.numpy().astype(np.int16) * np.int16(steps)
    return rows


def _by_person(found: Mapping[str, list[Pixels]]) -> Album:
    labels = np.repeat(np.arange(len(found)), [len(mine) for mine in found.values()])
    images = np.stack([canvas for mine in found.values() for canvas in mine])
    return Album(ImageDataset(images, labels.astype(np.int64), tuple(found)), labels.astype(np.int32), tuple(found))


def collect(
    people: Mapping[str, Sequence[Shot]],
    side: int,
    finder: Finder,
    secret: bytes = b"",
    progress: Progress | None = None,
) -> dict[str, list[Pixels]]:
    """Canvases (3, side, side) of every person's face, for persons with at least one."""
    found: dict[str, list[Pixels]] = {}
    total = sum(min(TRIED, len(shots)) for shots in people.values())
    with (progress or Silent()).task("faces for the keys", total) as advance:
        for name, shots in sorted(people.items()):
            by_path = {shot.path: shot for shot in shots}
            mine: list[Pixels] = []
            for path in album.shuffled(by_path, secret)[:TRIED]:
                mine += _own(name, by_path[path], side, finder) if len(mine) < FACES else []
                advance(1)
            if mine:
                found[name] = mine
    return found


def _own(name: str, shot: Shot, side: int, finder: Finder) -> list[Pixels]:
    """The canvas of a person's face in one photo, if it can be read and shows it."""
    try:
        image = np.asarray(album.decoded(shot.path).convert("RGB"))
    except (OSError, LeftOut, Damaged, ValueError, MemoryError):
        return []
    face = _choose(name, finder(image), shot, image)
    return [] if face is None else [canvas(image, face, side)]


def _choose(name: str, found: Sequence[Face], shot: Shot, image: Pixels) -> Face | None:
    """The face with the person's name; where no label has it, the main one of those without a name."""
    height, width = image.shape[:2]
    large = [face for face in found if not finding.is_small(face)]
    names, _ = whose.names(large, shot.named, height, width)
    mine = [face for face, its in zip(large, names, strict=True) if its == name]
    if mine or any(each.name == name for each in shot.named):
        return mine[0] if mine else None
    return main_face([face for face, its in zip(large, names, strict=True) if not its], height, width)


def canvas(image: Pixels, face: Face, side: int) -> Pixels:
    """The aligned face (3, side, side) of an upright photo (H, W, 1 or 3)."""
    color = np.broadcast_to(image, (*image.shape[:2], 3))
    whole = cut(color, to_canvas(face, side), side)
    return np.asarray((whole * LEVELS).round().byte().numpy())
