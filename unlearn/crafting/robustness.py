"""What a method expects a trainer to do, as settings of the robust loop; torch-free."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from unlearn.crafting.views import Views
from unlearn.pgd import PGD
from unlearn.quantities import Positive, Rate, StepSize
from unlearn.settings import Training


@dataclass(frozen=True)
class Robustness:
    """The schedule of robust error-minimizing noise. Fu et al., ICLR 2022: the released CIFAR-10 settings.

    steps: surrogate steps; each moves the noise of its own batch first. One pass over all samples ends the run.
    decay: factor on the learning rate every `decay_every` steps.
    radius: L-infinity budget of the adversary that the surrogate is trained against; the paper takes half of epsilon.
    attack: how that adversary moves.
    samples: transformed copies over which a noise step is averaged.
    augment, crop_padding: the transformations, as a trainer's.
    channel: what else is done to images before a network sees them, such as gray and JPEG; not in the paper.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    steps: Positive = 5000
    batch_size: Positive = 128
    decay_every: Positive = 2000
    decay: Rate = 0.1
    radius: StepSize = 4 / 255
    attack: PGD = field(default_factory=lambda: PGD(0.8 / 255, 10, random_start=True))
    samples: Annotated[int, Field(ge=1, le=64)] = 5
    augment: tuple[Literal["crop", "flip"], ...] = ("crop", "flip")
    crop_padding: Annotated[int, Field(ge=0, le=64)] = 4
    channel: Views = Views()

    @property
    def transformations(self) -> Training:
        """As settings of `augmentation.standard_augmentation`."""
        return Training(augment=self.augment, crop_padding=self.crop_padding)
