"""The network that writes noise, and how it learns, as settings; torch-free."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import ConfigDict, Field

from unlearn.quantities import Positive


@dataclass(frozen=True)
class Generator:
    """A small U-shaped network from an image and its label to noise.

    width: channels of every layer.
    depth: how often the image is halved on the way down, and doubled on the way up.
    cells: side of the map that every class has at every scale, stretched over the image; 1 tells the label, and no
        place in the image.
    lr: learning rate of Adam (Kingma and Ba, ICLR 2015). A rate that drives all noise to the edge of its budget within
        a few rounds leaves noise that only the surrogate needs.
    passes: passes over the chosen images a round, in batches of the schedule's `pgd_batch_size`.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    width: Positive = 16
    depth: Annotated[int, Field(ge=1, le=5)] = 2
    cells: Positive = 8
    lr: Annotated[float, Field(gt=0, le=1)] = 1e-3
    passes: Positive = 1
