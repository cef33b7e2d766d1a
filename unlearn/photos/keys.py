"""Keys: one subject's noise, kept so that photos that arrive later need no crafting.

A key is the antidote too, since whoever has it can subtract it: the file is written with mode 0600.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import xxhash
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from unlearn import files
from unlearn.errors import UnlearnError
from unlearn.photos.picture import Picture, upright
from unlearn.quantities import FINE, LEVELS

SCHEMA = 1
LARGEST_SIDE = 1024
Frame = Literal["photo", "face"]


class KeyFileError(UnlearnError):
    """A key file that is damaged, of another kind, or contradicts itself."""


@dataclass(frozen=True)
class Key:
    """One subject's noise.

    delta: int16, shape (V, C, S, S), in 1/FINE of a level of 255; V variants, C 1 (luma) or 3 (RGB).
    frame: where delta lies: `photo` is stretched over the whole upright photo, `face` is the canvas of
        `faces.geometry` and is laid over every face.
    epsilon: L-infinity budget in [0, 1] before the file is encoded.
    strength: low, mid or high. threat: what it protects against. made: ISO date.
    secret: 32 bytes; with a photo's pixels they choose the variant, so that nobody else can tell which it was.
    """

    subject: str
    delta: NDArray[np.int16]
    epsilon: float
    strength: str
    secret: bytes
    recipe_hash: str
    threat: str = "training"
    made: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    frame: Frame = "photo"

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits that name the key and give nothing of it away."""
        return hashlib.sha256(b"unlearn key" + self.secret + self.delta.tobytes()).hexdigest()[:16]

    def variant(self, pixels: bytes) -> NDArray[np.int16]:
        """The noise (C, S, S) for a photo with this pixel hash: the same for the same pixels, whatever the file."""
        drawn = hmac.digest(self.secret, pixels, "sha256")
        chosen: NDArray[np.int16] = self.delta[int.from_bytes(drawn[:8], "little") % len(self.delta)]
        return chosen


def pixel_hash(picture: Picture) -> bytes:
    """16 bytes of the upright samples and their shape: equal for copies that differ in metadata only.

    XXH3, because hashing must not cost more than decoding does. It tells photos apart; nobody gains from a collision.
    """
    shown = upright(picture.pixels, picture.orientation)
    digest = xxhash.xxh3_128(repr((shown.shape, str(shown.dtype))).encode())
    for row in range(0, len(shown), 256):
        digest.update(np.ascontiguousarray(shown[row : row + 256]).data)
    return digest.digest()


def save(path: Path, key: Key) -> None:
    """Write the file, mode 0600, whole or not at all; equal keys give equal bytes."""
    meta = {
        "schema": SCHEMA,
        "kind": "key",
        "subject": key.subject,
        "epsilon": key.epsilon,
        "strength": key.strength,
        "secret": key.secret.hex(),
        "recipe_hash": key.recipe_hash,
        "threat": key.threat,
        "frame": key.frame,
        "made": key.made,
        "versions": key.versions,
    }
    with files.output_errors(path), files.replacing(path, mode=0o600) as temporary:
        save_file(
            {"delta": np.ascontiguousarray(key.delta)},
            temporary,
            metadata={"unlearn": json.dumps(meta, sort_keys=True)},
        )


def load(path: Path) -> Key:
    """Read and check a key file.

    Raises:
        KeyFileError: missing, unreadable, of another kind or schema, or beyond its own budget.
    """
    if not path.is_file():
        raise KeyFileError(f"{path}: no such key file")
    try:
        with safe_open(path, framework="np") as file:
            meta = json.loads((file.metadata() or {}).get("unlearn", "{}"))
            if not isinstance(meta, dict) or meta.get("schema") != SCHEMA or meta.get("kind") != "key":
                raise KeyFileError(f"{path}: not a key of this version (schema {SCHEMA})")
            return _checked(path, meta, file.get_tensor("delta"))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise KeyFileError(f"{path}: not a readable key file ({str(error)[:120]})") from error


def _checked(path: Path, meta: dict[str, Any], delta: NDArray[Any]) -> Key:
    square = delta.ndim == 4 and delta.shape[1] in (1, 3) and delta.shape[2] == delta.shape[3] <= LARGEST_SIDE
    if delta.dtype != np.int16 or not square or not delta.size:
        raise KeyFileError(f"{path}: noise of wrong type or shape ({delta.dtype}, {delta.shape})")
    epsilon = float(meta["epsilon"])
    largest = int(np.abs(delta.astype(np.int32)).max())
    if not 0 < epsilon <= 1 or largest > epsilon * LEVELS * FINE + 0.5:
        raise KeyFileError(f"{path}: noise reaches {largest / FINE:g} levels, its budget is {epsilon * LEVELS:g}")
    secret = bytes.fromhex(meta["secret"])
    if len(secret) != 32:
        raise KeyFileError(f"{path}: its secret is damaged")
    frame = meta.get("frame", "photo")  # keys of before there were faces
    if frame not in get_args(Frame):
        known = ", ".join(get_args(Frame))
        raise KeyFileError(f"{path}: its frame is {str(frame)[:40]!r}, which this version does not know ({known})")
    plain = {name: str(meta[name]) for name in ("subject", "strength", "recipe_hash", "threat", "made")}
    return Key(delta=delta, epsilon=epsilon, secret=secret, versions=dict(meta["versions"]), frame=frame, **plain)
