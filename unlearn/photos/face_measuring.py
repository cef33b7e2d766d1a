"""What noise has done to the faces of a photo, measured on the file that is written."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unlearn.faces.face import Face
from unlearn.photos import finding, measuring
from unlearn.photos.jobs import Finder
from unlearn.photos.picture import Samples, upright

CLOSELY = 4  # faces up to which looking around each of them takes less time than the whole photo
MOVED = 0.1  # of the distance between the eyes: beyond it, a recogniser's crop shows something else


def seen_again(faces: Sequence[Face], finder: Finder, image: NDArray[np.uint8]) -> Sequence[Face]:
    """Faces that are found in a photo (H, W, 1 or 3) which showed `faces` before it changed, at least near them.

    Where one seems to have moved, the whole photo decides.
    """
    if len(faces) <= CLOSELY:
        close = [found for face in faces for found in finding.near(finder, image, face)]
        if not any(_moved(face, close) for face in faces):
            return close
    return finder(image)


def figures(
    faces: Sequence[Face], original: Samples, written: Samples, orientation: int, again: Sequence[Face]
) -> dict[str, Any]:
    """Columns of the row: PSNR and SSIM of the worst face, and how many are no longer found where they were.

    Args:
        faces: with noise, in the upright photo. original, written: stored samples (H, W, C).
        again: faces that the detector finds in the written file.
    """
    left, right = upright(original, orientation), upright(written, orientation)
    worst = min((one for face in faces if (one := _crop(face, left, right))), default=None)
    moved = sum(_moved(face, again) for face in faces)
    return {"faces_moved": moved} | ({"face_ssim": worst[0], "face_psnr": worst[1]} if worst else {})


def _crop(face: Face, original: Samples, written: Samples) -> tuple[float, float] | None:
    """SSIM and PSNR within the face's box."""
    height, width = original.shape[:2]
    left, top, right, bottom = (round(edge) for edge in face.box)
    rows, columns = slice(max(0, top), min(height, bottom + 1)), slice(max(0, left), min(width, right + 1))
    before, after = original[rows, columns].copy(), written[rows, columns].copy()
    if not before.size:
        return None
    found = measuring.measure(before, after, after)
    return found.ssim, found.psnr


def _moved(face: Face, again: Sequence[Face]) -> bool:
    away = [float(np.linalg.norm(face.points - other.points, axis=1).mean()) for other in again]
    return min(away, default=np.inf) > MOVED * face.eye_distance
