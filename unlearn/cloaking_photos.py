"""Cloaks: noise made anew for the faces of every photo, instead of keys; runs in the workers that protect photos.

Imports torch only when it is called, so that settings can be handed to workers before one needs it.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unlearn import files
from unlearn.errors import UnlearnError
from unlearn.faces.face import Face
from unlearn.photos import keyring
from unlearn.recipe import Recipe

FILE = "cloak.json"


@dataclass(frozen=True)
class PhotoCloak:
    """A sample-wise recipe for faces, and the secret that decides its random numbers. See `photos.jobs.Cloak`."""

    settings: Recipe
    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """16 hexadecimal digits of recipe and secret that give nothing of it away."""
        return hashlib.sha256(b"unlearn cloak" + self.secret + self.settings.hash.encode()).hexdigest()[:16]

    @property
    def epsilon(self) -> float:
        """L-infinity budget in [0, 1]."""
        return self.settings.epsilon

    def __call__(self, image: NDArray[np.uint8], faces: Sequence[Face], pixels: bytes) -> NDArray[np.int16]:
        """Noise (F, 3, S, S) on the faces' canvases, in 1/FINE of a level; the same for the same pixel hash."""
        import torch

        from unlearn import face_album
        from unlearn.crafting.problem import Problem
        from unlearn.crafting.workers import alone
        from unlearn.datasets import ImageDataset
        from unlearn.run import embedders

        torch.set_num_threads(1)  # photos are spread over the cores, and the number of threads changes sums
        side = face_album.side_of(self.settings)
        canvases = np.stack([face_album.canvas(image, face, side) for face in faces])
        team = alone()
        problem = Problem(
            data=ImageDataset(canvases, np.zeros(len(faces), np.int64), ("face",)),
            row=np.arange(len(faces), dtype=np.int32),
            epsilon=self.epsilon,
            surrogate=self.settings.surrogate,
            seed=int.from_bytes(hmac.digest(self.secret, pixels, "sha256")[:7], "little"),
            workers=team,
            embedders=embedders(self.settings.embedders, team.device),
        )
        return face_album.fine(self.settings.method.craft(problem))


def known(folder: Path, settings: Recipe) -> PhotoCloak:
    """The cloak of earlier runs into the same OUT, or one with a new secret that is not kept yet.

    Args:
        folder: OUT/keys.

    Raises:
        UnlearnError: a file that cannot be used.
    """
    place = folder / FILE
    if not place.exists():
        return PhotoCloak(settings, secrets.token_bytes(32))
    try:
        secret = bytes.fromhex(json.loads(place.read_text())["secret"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnlearnError(f"{place}: not a readable secret of cloaks ({str(error)[:80]})") from error
    return PhotoCloak(settings, secret)


def keep(folder: Path, cloak: PhotoCloak) -> None:
    """Write the secret, mode 0600, unless it is there, so that later runs give equal photos equal noise.

    Raises:
        OutputError: the folder cannot be written.
    """
    place = folder / FILE
    if not place.exists():
        keyring.own(folder)
        with files.output_errors(place):
            files.write_text(place, json.dumps({"secret": cloak.secret.hex()}), mode=0o600)
