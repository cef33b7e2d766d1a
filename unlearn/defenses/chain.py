"""Several defenses, one after the other: such as grayscale and then JPEG, which leave few shortcuts between them.

Purifying and augmenting go through all of them in order; each learns from images that those before it have purified.
Only one can have a loss of its own, and only one a way of training of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from unlearn.defenses import Defense, Job, Leaked, Scene
from unlearn.defenses._field import DefenseField

if TYPE_CHECKING:
    from torch import Tensor, nn

    from unlearn.randomness import Draws
    from unlearn.training import Curve

ONCE = ("learn", "loss")


def _composable(defenses: tuple[Defense, ...]) -> tuple[Defense, ...]:
    for hook in ONCE:
        owners = [defense.label for defense in defenses if _own(defense, hook)]
        if len(owners) > 1:
            raise ValueError(f"only one of {', '.join(owners)} can be in a chain: each has a {hook} of its own")
    return defenses


def _own(defense: Any, hook: str) -> bool:
    """Whether a defense overrides a hook; a chain does if one of its members does."""
    if isinstance(defense, Chain):
        return any(_own(member, hook) for member in defense.defenses)
    return getattr(type(defense), hook) is not getattr(Defense, hook)


@dataclass(frozen=True)
class Chain(Defense):
    """The defenses in order."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    defenses: Annotated[tuple[DefenseField, ...], Field(min_length=1), AfterValidator(_composable)] = ()

    @property
    def label(self) -> str:
        return "+".join(defense.label for defense in self.defenses) or "chain"

    @property
    def presumes(self) -> str:
        return "; ".join(filter(None, (defense.presumes for defense in self.defenses)))

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(path for defense in self.defenses for path in defense.files)

    @property
    def learns(self) -> bool:
        return any(defense.learns for defense in self.defenses)

    def fit(self, scene: Scene) -> Defense:
        """Each learns from what those before it leave."""
        if not self.learns:
            return self
        from unlearn.defenses import _pixels  # torch stays out of recipe checks

        fitted: list[Defense] = []
        for defense in self.defenses:
            fitted.append(defense.fit(scene))
            found = replace(scene.found, images=_pixels.purified(fitted[-1], scene.found.images))
            scene = replace(scene, found=found, leaked=_purified(scene.leaked, fitted[-1]))
        return Chain(tuple(fitted))

    def purify(self, images: Tensor) -> Tensor:
        """In order."""
        for defense in self.defenses:
            images = defense.purify(images)
        return images

    def learn(self, victim: nn.Module, job: Job) -> Curve:
        """As the member with a way of training of its own does, or as usual."""
        return self._member("learn").learn(victim, job)

    def augment(self, images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """In order."""
        for defense in self.defenses:
            images, labels = defense.augment(images, labels, draws)
        return images, labels

    def loss(self, victim: nn.Module, images: Tensor, labels: Tensor, draws: Draws) -> Tensor:
        """That of the member with a loss of its own, or the usual one."""
        return self._member("loss").loss(victim, images, labels, draws)

    def _member(self, hook: str) -> Defense:
        return next((defense for defense in self.defenses if _own(defense, hook)), Defense())


def _purified(leaked: Leaked, defense: Defense) -> Leaked:
    """Pairs as they look after a defense."""

    def pairs(positions: Tensor) -> tuple[Tensor, Tensor]:
        clean, protected = leaked(positions)
        return defense.purify(clean), defense.purify(protected)

    return pairs
