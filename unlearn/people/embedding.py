"""Features of a photo's faces, each cut out as the recogniser's own pipeline does."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unlearn.faces.face import Face
from unlearn.faces.geometry import inverse, moved
from unlearn.faces.recogniser import Recogniser
from unlearn.faces.warp import crop


def embed(recogniser: Recogniser, image: NDArray[np.uint8], faces: Sequence[Face]) -> NDArray[np.float32]:
    """Unit features (F, D) of F faces of an upright photo (H, W, 1 or 3).

    A batch is one photo's faces, so that features do not depend on where a scan was interrupted.
    """
    with torch.inference_mode():
        crops = torch.cat([cut(recogniser, image, face) for face in faces])
        features: NDArray[np.float32] = recogniser.embed(crops).float().cpu().numpy()
    return features


def cut(recogniser: Recogniser, image: NDArray[np.uint8], face: Face) -> Tensor:
    """The crop (1, 3, side, side) of a face in [0, 1]; only the part of the photo around it becomes floats."""
    back = inverse(recogniser.place(face))
    side = recogniser.side
    corners = moved(back, np.array([(x, y) for x in (-0.5, side - 0.5) for y in (-0.5, side - 0.5)]))
    margin = np.linalg.norm(back[:, :2], axis=0).max() * 2 + 2  # what an antialiased reduction looks at
    height, width = image.shape[:2]
    left, top = np.clip(np.floor(corners.min(0) - margin), 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(0) + margin), (left + 1, top + 1), (width, height)).astype(int)
    part = np.ascontiguousarray(image[top:bottom, left:right])
    shifted = back - np.array([[0, 0, left], [0, 0, top]])
    pixels = torch.from_numpy(part).permute(2, 0, 1)[None].float().div(255).expand(1, 3, -1, -1)
    return crop(pixels, torch.from_numpy(shifted)[None], side)
