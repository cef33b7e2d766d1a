"""Settings of supervised training; torch-free, so that recipes are checked without it."""

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from unlearn.quantities import Positive, Rate


def as_before(settings: Any, written: dict[str, Any], *later: str) -> dict[str, Any]:
    """What is written of a dataclass, without later fields at their defaults.

    So hashes of recipes and kept cells stay what they were before there were these fields.
    """
    usual = {field.name for field in fields(settings) if getattr(settings, field.name) == field.default}
    return {name: value for name, value in written.items() if name not in later or name not in usual}


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with momentum and clipping of the gradient's norm (0: none)."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    lr: Annotated[float, Field(gt=0, le=10)] = 0.1
    momentum: Rate = 0.9
    weight_decay: Rate = 5e-4
    clip: Annotated[float, Field(ge=0)] = 5.0


@dataclass(frozen=True)
class Training:
    """A supervised training run: the paper's CIFAR-10 recipe by default (Huang et al., ICLR 2021).

    For fast pre-screens, after Jordan, arXiv 2404.00498: the schedule `triangular` rises and falls; `alternating_flip`
    mirrors every image in every second epoch; `translate` shifts by up to `crop_padding` pixels over a mirrored border;
    `nesterov` momentum; `label_smoothing` is the share of a label that is spread over all classes; `bias_rate` the
    factor on the learning rate of the biases of normalization, whose weight decay is divided by it; `mirror_test`
    classifies the mean of a test image's logits and those of its mirror image, which is another threat than one look.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    epochs: Positive = 60
    batch_size: Positive = 128
    sgd: SGD = SGD()
    schedule: Literal["cosine", "constant", "triangular"] = "cosine"
    augment: tuple[Literal["crop", "flip", "alternating_flip", "translate"], ...] = ("crop", "flip")
    crop_padding: Annotated[int, Field(ge=0, le=64)] = 4
    nesterov: bool = False
    label_smoothing: Rate = 0.0
    bias_rate: Annotated[float, Field(gt=0, le=1000)] = 1.0
    mirror_test: bool = False

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return as_before(self, handler(self), "nesterov", "label_smoothing", "bias_rate", "mirror_test")
