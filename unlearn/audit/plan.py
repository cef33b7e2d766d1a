"""What an audit runs; torch-free, its fields are the schema of recipes/audits/*.yaml."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer

from unlearn import registry, schema
from unlearn.defenses import Defense
from unlearn.errors import UnknownName
from unlearn.quantities import Positive, Share
from unlearn.settings import Training


def _defense(spec: Any) -> Any:
    """A defense from its name, or from a mapping with a name and settings."""
    if isinstance(spec, Defense):
        return spec
    try:
        checked, problems = schema.named(lambda name: registry.load("defenses", name), spec)
    except UnknownName as error:
        raise ValueError(str(error)) from None
    if problems:
        raise ValueError("; ".join(f"{'.'.join(path)}: {sentence}" for path, sentence in problems))
    return checked


def _spec(defense: Defense) -> Any:
    name = type(defense).__module__.rpartition(".")[2]
    settings = schema.plain(defense)
    return {"name": name, **settings} if settings else name


def _victim(name: Any) -> Any:
    try:
        registry.require("network", str(name), registry.networks())
    except UnknownName as error:
        raise ValueError(str(error)) from None
    return name


DefenseField = Annotated[Any, BeforeValidator(_defense), PlainSerializer(_spec)]
Victim = Annotated[str, BeforeValidator(_victim)]


@dataclass(frozen=True)
class Sweep:
    """Partial protection: shares of the samples, and sets of classes, that are protected."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    portions: tuple[Share, ...] = ()
    classes: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class AuditPlan:
    """Victims x defenses x seeds, each trained on clean, random-noise and protected data alike.

    weights: a safetensors file of weights that the victims start from (a pretrained backbone); layers of other shapes,
        such as the head, start anew. None trains from scratch.
    by_class: also report the accuracy on every class.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    victims: Annotated[tuple[Victim, ...], Field(min_length=1)] = ("resnet18",)
    defenses: Annotated[tuple[DefenseField, ...], Field(min_length=1)] = (_defense("none"),)
    seeds: Positive = 3
    training: Training = Training()
    sweep: Sweep = Sweep()
    weights: str | None = None
    by_class: bool = False
    not_run: tuple[str, ...] = (
        "pretrained backbones (fine-tuning or linear probe)",
        "diffusion purification",
        "purifiers learned from leaked pairs",
        "adaptive trainers that know this tool",
    )
