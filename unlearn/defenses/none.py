"""No defense: the victim trains on what it finds, with the standard augmentation."""

from dataclasses import dataclass

from pydantic import ConfigDict

from unlearn.defenses import Defense


@dataclass(frozen=True)
class NoDefense(Defense):
    """The identity."""

    __pydantic_config__ = ConfigDict(extra="forbid")
