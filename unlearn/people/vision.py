"""From a photo to embedded faces: a detector and a recogniser as one pair of functions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unlearn.faces.face import Face

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Vision:
    """What finds faces and tells them apart.

    find: faces of an upright photo (H, W, C) uint8. embed: unit features (F, D) of F of its faces.
    threshold: mean cosine at which two groups of faces are one person's. made_by: names of the two networks.
    notes: what a user should know about them, such as their licence.
    """

    find: Callable[[Pixels], Sequence[Face]]
    embed: Callable[[Pixels, Sequence[Face]], Vectors]
    threshold: float
    made_by: str
    notes: tuple[str, ...] = ()


def _has_shape(face: Face) -> bool:
    """Landmarks in one spot place no crop."""
    return bool(np.isfinite(face.points).all() and face.eye_distance >= 1.0)


def load(detector: str = "mtcnn", recogniser: str = "facenet") -> Vision:
    """Vision by the names, or paths, of a detector and a recogniser.

    Raises:
        UnknownName, WeightsError: as `detectors.load` and `embedders.load`.
    """
    from unlearn.faces import detectors, embedders
    from unlearn.people.embedding import embed

    network, finder = embedders.load(recogniser), detectors.load(detector)
    notes = (f"{network.name}: {network.licence}; trained on {network.trained_on}",)
    return Vision(
        find=lambda image: [face for face in finder.find(image) if _has_shape(face)],
        embed=lambda image, faces: embed(network, image, faces),
        threshold=network.threshold,
        made_by=f"{detector} {recogniser}",
        notes=notes,
    )
