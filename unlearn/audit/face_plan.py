"""What an audit against matching runs; torch-free, its fields are the schema of recipes/audits/faces*.yaml."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

from unlearn import registry
from unlearn.audit.channels import EVERY
from unlearn.errors import UnknownName
from unlearn.quantities import Positive, Share

Steps = Annotated[int, Field(ge=0)]  # 0: this row is not run


def _channel(name: Any) -> Any:
    try:
        registry.require("channel", str(name), EVERY)
    except UnknownName as error:
        raise ValueError(str(error)) from None
    return name


@dataclass(frozen=True)
class Adapter:
    """The cheap adaptive trainer: a linear map on frozen features that pulls protected and clean photos together.

    It learns on people who are held out, `folds` groups of them in turn, so that no user's own pairs are known to it.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    steps: Steps = 150
    lr: Annotated[float, Field(gt=0, le=1)] = 2e-3
    decay: Annotated[float, Field(ge=0)] = 1e-2
    folds: Annotated[int, Field(ge=2)] = 4


@dataclass(frozen=True)
class Tuning:
    """Training all layers of a recogniser, a new head on top, by Adam at a fixed rate: minutes to hours on a CPU.

    users: for end-to-end training, how many users get a training of their own; folds: for the adaptive one.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    steps: Steps = 0
    batch_size: Positive = 32
    lr: Annotated[float, Field(gt=0, le=1)] = 1e-4
    users: Positive = 5
    folds: Annotated[int, Field(ge=2)] = 4


@dataclass(frozen=True)
class FacePlan:
    """Frozen recognisers against a gallery, with controls, channels, leaks and attackers that learn.

    detector, recognisers: names, or paths of model files. channels: what a platform does to every gallery photo.
    leaks: shares of the user's gallery photos that are clean originals. linear: the linear probe.
    everyone: one more run in which everybody protects. adapter, adaptive, end_to_end: attackers that train; the first
    works on features and is cheap, the others train all layers and are off unless they have steps.
    seeds: of the attackers that train. held_out: share of a person's photos that are probes.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    detector: str = "mtcnn"
    recognisers: Annotated[tuple[str, ...], Field(min_length=1)] = ("facenet", "dlib")
    channels: Annotated[tuple[Annotated[str, BeforeValidator(_channel)], ...], Field(min_length=1)] = (
        "none",
        "jpeg-75",
        "half",
        "half + jpeg-75",
    )
    leaks: tuple[Share, ...] = (0.05, 0.1, 0.2, 0.5)
    linear: bool = True
    everyone: bool = True
    adapter: Adapter = Adapter()
    adaptive: Tuning = Tuning()
    end_to_end: Tuning = Tuning()
    seeds: Positive = 3
    held_out: Share = 0.3
    photos_a_person: Annotated[int, Field(ge=4)] = 60
    not_run: tuple[str, ...] = (
        "denoisers learned from leaked pairs",
        "a gallery of photos that were recognised before",
        "recognisers that are not named here, and those of the future",
        "photos of the person that others took, or that are published already",
    )

    @property
    def headline(self) -> str:
        """Who looks through what, in a line."""
        return f"audit against matching by {', '.join(self.recognisers)} through {', '.join(self.channels)}"
