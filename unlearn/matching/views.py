"""Photos as recognisers see them: after a channel, found by a detector, cut by each recogniser's own rule, embedded.

Every photo is opened, sent through a channel, searched and embedded once, however many galleries it stands in.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from unlearn.audit.channels import EVERY
from unlearn.audit.gallery import Features
from unlearn.faces import spreading
from unlearn.faces.face import Detector, Face
from unlearn.faces.geometry import Matrix, inverse, moved
from unlearn.faces.recogniser import Recogniser
from unlearn.faces.warp import crop
from unlearn.photo_audit import opened
from unlearn.progress import Progress, Silent
from unlearn.quantities import LEVELS, whole_levels

BATCH = 32
CANVAS = 224
Pixels = NDArray[np.uint8]
Seen = tuple["Photo", str, str]  # a photo, the channel it came through, the recogniser's name
Waiting = dict[str, list[tuple[Seen, Tensor]]]


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo by its name; `open` gives the upright pixels, uint8 (H, W, 3) RGB."""

    name: str
    open: Callable[[], Pixels]


def of_file(path: Path, name: str | None = None) -> Photo:
    """A photo that is read when it is needed, as its owner's viewer shows it."""
    return Photo(name or path.name, lambda: np.asarray(opened(path)))


def of_pixels(name: str, pixels: Pixels) -> Photo:
    """A photo in memory."""
    return Photo(name, lambda: pixels)


def main_face(faces: Sequence[Face], height: int, width: int) -> Face | None:
    """The face that a photo is of: the largest, unless one nearer to the middle is nearly as large."""

    def weight(face: Face) -> float:
        left, top, right, bottom = face.box
        away = np.hypot((left + right + 1) / width - 1, (top + bottom + 1) / height - 1)
        return face.eye_distance / (1 + float(away) ** 2)

    return max(faces, key=weight, default=None)


@dataclass(frozen=True, eq=False)
class Views:
    """A detector and recognisers, with what they have seen so far.

    faces, features: by (photo, channel), and by (photo, channel, recogniser's name); None where there is no face.
    """

    detector: Detector
    recognisers: tuple[Recogniser, ...]
    device: torch.device = torch.device("cpu")
    faces: dict[tuple[Photo, str], Face | None] = field(default_factory=dict)
    features: dict[Seen, Features | None] = field(default_factory=dict)

    def look(
        self, photos: Iterable[Photo], channels: Sequence[str] = ("none",), progress: Progress | None = None
    ) -> None:
        """See photos that have not been seen yet, through all channels."""
        names = [recogniser.name for recogniser in self.recognisers]
        todo = [
            p for p in dict.fromkeys(photos) if any((p, c, n) not in self.features for c in channels for n in names)
        ]
        with (progress or Silent()).task("photos through the recognisers", len(todo)) as advance:
            waiting: Waiting = {name: [] for name in names}
            for photo in todo:
                for channel, pixels in self._versions(photo, channels):
                    self._prepare(photo, channel, pixels, waiting)
                self._embed(waiting, BATCH)
                advance(1)
            self._embed(waiting, 1)

    def _versions(self, photo: Photo, channels: Sequence[str]) -> Iterable[tuple[str, Pixels]]:
        image = Image.fromarray(photo.open())
        return ((channel, np.asarray(EVERY[channel](image).convert("RGB"))) for channel in channels)

    def face(self, photo: Photo, channel: str, pixels: Pixels) -> Face | None:
        """The photo's main face as the detector finds it on these pixels."""
        key = (photo, channel)
        if key not in self.faces:
            self.faces[key] = main_face(self.detector.find(pixels), *pixels.shape[:2])
        return self.faces[key]

    def _prepare(
        self,
        photo: Photo,
        channel: str,
        pixels: Pixels,
        waiting: Waiting,
    ) -> None:
        face = self.face(photo, channel, pixels)
        for recogniser in self.recognisers:
            key = (photo, channel, recogniser.name)
            if face is None:
                self.features[key] = None
            elif key not in self.features:
                waiting[recogniser.name].append((key, cut(pixels, recogniser.place(face), recogniser.side)))

    def _embed(self, waiting: Waiting, fewest: int) -> None:
        for recogniser in self.recognisers:
            queue = waiting[recogniser.name]
            if len(queue) < fewest:
                continue
            crops = torch.stack([each for _, each in queue])
            self.features.update(zip((key for key, _ in queue), embedded(recogniser, crops, self.device), strict=True))
            queue.clear()

    def table(self, photos: Sequence[Photo], channel: str, recogniser: Recogniser) -> Features:
        """Features (N, D) of photos that were looked at, NaN where no face was found."""
        rows = [self.features[photo, channel, recogniser.name] for photo in photos]
        mine = (row for (_, _, name), row in self.features.items() if name == recogniser.name)
        size = next((len(row) for row in (*rows, *mine) if row is not None), 1)
        blank = np.full(size, np.nan, dtype=np.float32)
        return np.stack([blank if row is None else row for row in rows]) if rows else blank[None][:0]

    def crops(self, photos: Sequence[Photo], channel: str, recogniser: Recogniser) -> tuple[Tensor, NDArray[np.bool_]]:
        """uint8 crops (M, 3, side, side) of the photos with a face, and which of the photos those are, (N,)."""
        cuts, known = [], np.zeros(len(photos), dtype=np.bool_)
        for place, photo in enumerate(photos):
            [(_, pixels)] = self._versions(photo, (channel,))
            face = self.face(photo, channel, pixels)
            if face is not None:
                cuts.append((cut(pixels, recogniser.place(face), recogniser.side) * LEVELS).round().to(torch.uint8))
                known[place] = True
        empty = torch.zeros(0, 3, recogniser.side, recogniser.side, dtype=torch.uint8)
        return (torch.stack(cuts) if cuts else empty), known


def embedded(recogniser: Recogniser, crops: Tensor, device: torch.device) -> Features:
    """Unit features (B, D) of float crops (B, 3, side, side)."""
    with torch.inference_mode():
        parts = [recogniser.embed(part.to(device)).float().cpu() for part in crops.split(BATCH)]
    return np.asarray(torch.cat(parts).numpy())


def cut(pixels: Pixels, place: Matrix, side: int) -> Tensor:
    """A float crop (3, side, side) of a photo (H, W, 3); only the part around the face is touched."""
    back = inverse(place)
    corners = moved(back, np.array([(-1, -1), (side, -1), (-1, side), (side, side)], dtype=np.float64))
    air = 2 * float(np.linalg.norm(back[:, 0])) + 2  # the filter that reduces reaches beyond the crop
    height, width = pixels.shape[:2]
    left, top = (
        max(0, min(int(low - air), size - 1)) for low, size in zip(corners.min(0), (width, height), strict=True)
    )
    right, bottom = (max(int(high + air) + 1, 1) for high in corners.max(0))
    part = np.array(pixels[top : max(bottom, top + 1), left : max(right, left + 1)])
    shifted = torch.from_numpy(np.hstack([back[:, :2], back[:, 2:] - np.array([[left], [top]])]))
    image = torch.from_numpy(part).permute(2, 0, 1).float()[None] / LEVELS
    return crop(image, shifted[None], side)[0].clamp(0.0, 1.0)


def with_noise(pixels: Pixels, noise: NDArray[np.float32], face: Face, epsilon: float) -> Pixels:
    """A photo (H, W, 3) with canvas noise (S, S, C) in levels laid over its face: within the budget, rounded once."""
    height, width = pixels.shape[:2]
    patch, (top, left) = spreading.spread(noise, face, height, width)
    return added(pixels, patch, top, left, epsilon)


def added(pixels: Pixels, patch: NDArray[np.float32], top: int, left: int, epsilon: float) -> Pixels:
    """A photo plus a patch in levels at a place, clipped to the budget and to real pixels."""
    limit = whole_levels(epsilon)
    whole = np.rint(patch).clip(-limit, limit)
    changed = pixels.copy()
    rows, columns = slice(top, top + patch.shape[0]), slice(left, left + patch.shape[1])
    changed[rows, columns] = (pixels[rows, columns] + whole).clip(0, LEVELS).astype(np.uint8)
    return changed


def with_random_noise(photo: Photo, views: Views, epsilon: float, seed: int) -> Photo:
    """The control: uniform whole levels of the same budget on the same face, drawn on the photo's own pixels."""

    def open_noisy() -> Pixels:
        pixels = photo.open()
        face = views.face(photo, "none", pixels)
        if face is None:
            return pixels
        reach, (top, left) = spreading.spread(np.ones((CANVAS, CANVAS, 1), np.float32), face, *pixels.shape[:2])
        limit = whole_levels(epsilon)
        words = [seed, *photo.name.encode("utf-8", "surrogateescape")]
        drawn = np.random.default_rng(words).integers(-limit, limit + 1, (*reach.shape[:2], 3))
        return added(pixels, reach * drawn.astype(np.float32), top, left, epsilon)

    return Photo(photo.name, open_noisy)
