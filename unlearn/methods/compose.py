"""Several methods on every image, within one budget, in the order listed: what each does, superposed.

No paper's method. Each part is crafted on the clean images by itself. What adds up is summed and clipped to epsilon;
what replaces or filters is applied in its place, and the whole is clipped to epsilon around the clean image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.crafting.part import PartField

if TYPE_CHECKING:
    from unlearn.crafting.problem import Problem
    from unlearn.kinds import Crafted


@dataclass(frozen=True)
class Compose:
    """The parts, in their order."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    parts: Annotated[tuple[PartField, ...], Field(min_length=1)]

    def craft(self, problem: Problem) -> Crafted:
        """One perturbation within problem.epsilon.

        Raises:
            DataError: parts on a coarse grid whose rows differ.
        """
        from unlearn.crafting import parts  # torch stays out of recipe checks

        problems = [parts.problem_of(problem, i, part.share, part.rows) for i, part in enumerate(self.parts)]
        crafted = [part.method.craft(own) for part, own in zip(self.parts, problems, strict=True)]
        return parts.composed(problem, crafted)
