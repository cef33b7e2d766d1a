"""What an audit runs; torch-free, its fields are the schema of recipes/audits/*.yaml."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from unlearn import registry
from unlearn.defenses._field import DefenseField, named
from unlearn.errors import UnknownName
from unlearn.quantities import Positive, Share
from unlearn.settings import Training


def _victim(name: Any) -> Any:
    try:
        registry.require("network", str(name), registry.networks())
    except UnknownName as error:
        raise ValueError(str(error)) from None
    return name


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
    detection: also train simple models to tell protected images from clean ones.
    first_seed: the first of the `seeds` seeds of the victims, by default far from those of recipes: a victim of the
        surrogate's network with its seed starts from the very weights that the noise was made for, and is fooled
        sooner than any other.
    precision: of the forward passes in training, `auto` as in a recipe; None takes the recipe's.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    victims: Annotated[tuple[Victim, ...], Field(min_length=1)] = ("resnet18",)
    defenses: Annotated[tuple[DefenseField, ...], Field(min_length=1)] = (named("none"),)
    seeds: Positive = 3
    training: Training = Training()
    sweep: Sweep = Sweep()
    weights: str | None = None
    by_class: bool = False
    first_seed: Annotated[int, Field(ge=0, lt=2**32)] = 1000
    detection: bool = False
    precision: Literal["auto", "float32", "bfloat16"] | None = None
    not_run: tuple[str, ...] = (
        "pretrained backbones (fine-tuning or linear probe)",
        "diffusion purification",
        "purifiers learned from leaked pairs",
        "adaptive trainers that know this tool",
    )

    def __post_init__(self) -> None:
        """Refuse pre-screens beside verdicts, and what would make a pre-screen of a verdict."""
        fast = [name for name in self.victims if name.startswith(registry.PRESCREEN)]
        if fast and len(fast) < len(self.victims):
            raise ValueError(f"victims: {fast[0]} is a pre-screen and needs a plan of its own, without other networks")
        if fast and self.weights:
            raise ValueError(f"weights: {fast[0]} takes its first layer from the training images; it starts anew")
        if self.training.mirror_test and not fast:
            raise ValueError("training.mirror_test: is for pre-screens; a verdict tests every image once, as it is")

    @property
    def prescreen(self) -> str | None:
        """What makes these results a pre-screen and no verdict, in words; None for an audit."""
        if not self.victims[0].startswith(registry.PRESCREEN):
            return None
        mirrored = ", tested on mirrored images too" if self.training.mirror_test else ""
        return (
            f"Pre-screen, not a verdict ({', '.join(self.victims)}, whitened with statistics of the images it trains on"
            f"{mirrored}; the verdict is that of plain ResNet-18)"
        )

    @property
    def victim_seeds(self) -> range:
        """The seeds of the victims."""
        return range(self.first_seed, self.first_seed + self.seeds)

    @property
    def headline(self) -> str:
        """The victims and the size of the audit, in a line."""
        defenses, victims = len(self.defenses), ", ".join(self.victims)
        trainings = len(self.victims) * defenses * self.seeds
        return f"audit by {victims}, defenses: {defenses}, seeds: {self.seeds}, trainings on each set: {trainings}"
