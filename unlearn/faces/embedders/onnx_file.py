"""A user's own face embedder: an ONNX file by path, with a `NAME.yaml` beside it that says how it wants its input.

Crops are aligned by the five points to the common 112 x 112 template, stretched to the side that the file declares.
"""

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import torch
import yaml
from pydantic import ConfigDict, Field
from torch import Tensor, nn

from unlearn import schema
from unlearn.errors import RecipeError
from unlearn.faces.embedders import _onnx_graph
from unlearn.faces.geometry import TEMPLATE_SIDE, to_template
from unlearn.faces.recogniser import Recogniser
from unlearn.faces.weights import WeightsError

Levels = Annotated[float, Field(ge=0, le=255)]
Positive = Annotated[float, Field(gt=0, le=255)]
Line = Annotated[str, Field(min_length=1, max_length=300)]
MAX_BYTES: Final = 2**31 - 1  # what protobuf can hold
MAX_SETTINGS: Final = 16_384


@dataclass(frozen=True)
class Sidecar:
    """What an ONNX file does not say. Pixels enter as (v - mean) / std with v in 0..255, one number or three."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    side: Annotated[int, Field(ge=32, le=512)] | None = None
    mean: Levels | tuple[Levels, Levels, Levels] = 127.5
    std: Positive | tuple[Positive, Positive, Positive] = 127.5
    colors: Literal["rgb", "bgr"] = "rgb"
    # Usual for ArcFace and its kin, where nothing better is known.
    threshold: Annotated[float, Field(gt=-1, lt=1)] = 0.35
    licence: Line = "unknown: ask where the file comes from; many such weights are for non-commercial research only"
    trained_on: Line = "unknown"
    family: Line = "unknown"


KNOWN: Final = {
    # faceplugin-face-recognition-js 0.0.1; threshold measured on LFW.
    "87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581": Sidecar(
        mean=127.0, std=128.0, threshold=0.365, licence="MIT as declared, (c) 2021 gitguanqi", family="MobileFaceNet"
    ),
    # SFace of opencv_zoo. Its graph normalizes by itself, and FaceRecognizerSF turns OpenCV's BGR into RGB for it.
    "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79": Sidecar(
        mean=0.0,
        std=1.0,
        threshold=0.363,
        licence="Apache-2.0 (opencv_zoo)",
        trained_on="not stated by opencv_zoo",
        family="MobileFaceNet, SFace loss",
    ),
}


class Prepared(nn.Module):
    """Crops (B, 3, side, side) in [0, 1], RGB, to features (B, D): the file's network behind its normalization."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, facts: Sidecar):
        super().__init__()
        self.network, self.reverse = network, facts.colors == "bgr"
        self.register_buffer("mean", torch.tensor(facts.mean).expand(3).clone()[:, None, None])
        self.register_buffer("std", torch.tensor(facts.std).expand(3).clone()[:, None, None])

    def forward(self, crops: Tensor) -> Tensor:
        """Features of crops; mean and std are in the order of the file's channels."""
        levels = (crops.flip(1) if self.reverse else crops) * 255
        # Convolutions of one thread are faster in this memory format, by a third for small networks.
        inputs = ((levels - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.network(inputs)
        return features


def load(path: Path) -> Recogniser:
    """The recogniser of an ONNX file.

    Raises:
        WeightsError: missing, damaged, or no face embedder.
        RecipeError: problems of the `.yaml` beside it, one line each.
    """
    data = _bytes(path)
    facts = _sidecar(path.with_suffix(".yaml")) or KNOWN.get(hashlib.sha256(data).hexdigest()) or Sidecar()
    model = _onnx_graph.read(path, data)
    side = _side(path, _onnx_graph.declared_side(path, model), facts.side)
    return Recogniser(
        name=path.stem,
        network=Prepared(_onnx_graph.module(path, model, side), facts).eval().to(memory_format=torch.channels_last),
        side=side,
        place=partial(to_template, side=side),
        threshold=facts.threshold,
        licence=facts.licence,
        trained_on=facts.trained_on,
        family=facts.family,
    )


def _bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise WeightsError(f"{path}: {size:,} bytes are more than an ONNX file can have")
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from None


def _side(path: Path, declared: int | None, given: int | None) -> int:
    if declared and given and declared != given:
        raise WeightsError(f"{path}: takes images of {declared} pixels, but {path.stem}.yaml says side: {given}")
    return declared or given or TEMPLATE_SIDE


def _sidecar(path: Path) -> Sidecar | None:
    """The settings beside a file, None where there are none."""
    if not path.exists():
        return None
    facts, problems = schema.check(Sidecar, _mapping(path))
    if problems:
        raise RecipeError([f"{path} {'.'.join(place)}: {sentence}" for place, sentence in problems])
    checked: Sidecar = facts
    return checked


def _mapping(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text) if len(text) <= MAX_SETTINGS else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise RecipeError([f"{path}: not readable as YAML ({' '.join(str(error).split())[:120]})"]) from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise RecipeError([f"{path}: expected lines such as 'mean: 127.5'; fields: {_fields()}"])
    return content


def _fields() -> str:
    return ", ".join(schema.field_names(Sidecar))
