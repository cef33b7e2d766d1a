"""Linear probe: only the last layer learns, on features of the weights that the audit's `weights` names.

For trainers that start from a pretrained network and don't touch it. Without `weights` it probes random features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field

from unlearn.defenses import Defense, Job

if TYPE_CHECKING:
    from torch import nn

    from unlearn.training import Curve


@dataclass(frozen=True)
class LinearProbe(Defense):
    """decay: the weight of half the squared weights of the head, whose inputs are standardized."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    decay: Annotated[float, Field(ge=0)] = 1e-3

    def learn(self, victim: nn.Module, job: Job) -> Curve:
        """Fit the head."""
        from unlearn.defenses import _probing  # torch stays out of recipe checks

        return _probing.probe(victim, job, self.decay)
