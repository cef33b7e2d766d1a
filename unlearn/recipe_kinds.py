"""The kinds of recipes: of noise, of an audit, of an audit against matching. Each has a schema of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unlearn import schema
from unlearn.audit.face_plan import FacePlan
from unlearn.audit.plan import AuditPlan
from unlearn.errors import RecipeError
from unlearn.recipe_files import Source
from unlearn.recipe_schema import TopLevel


@dataclass(frozen=True)
class Kind:
    """What a recipe of this kind describes, what its top level is checked against, and who takes it."""

    title: str
    schema: Any
    command: str


NOISE = Kind("noise to craft", TopLevel, "unlearn craft")
AUDIT = Kind("an audit", AuditPlan, "unlearn audit --recipe")
MATCHING = Kind("an audit against matching", FacePlan, "unlearn audit --against matching --recipe")
KINDS = (NOISE, AUDIT, MATCHING)


def kind_of(content: Mapping[str, Any], expected: Kind = NOISE) -> Kind:
    """The kind that has most of these keys; `expected` where no other one has more."""
    return max((expected, *KINDS), key=lambda kind: len(set(content) & set(schema.field_names(kind.schema))))


def require(source: Source, kind: Kind) -> None:
    """Refuse a recipe of another kind in one line, where each of its keys would be an error.

    Raises:
        RecipeError: with the kind that it is, and the command that takes it.
    """
    found = kind_of(source.content, kind)
    if found is not kind:
        raise RecipeError(
            [f"{source.label}: describes {found.title}, for `{found.command}`; {kind.title} was expected"]
        )
