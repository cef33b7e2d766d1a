"""A part of a composed perturbation as a recipe writes it: a method by name, its share and rows. Torch-free."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, PlainSerializer

from unlearn import registry, schema
from unlearn.errors import UnknownName
from unlearn.quantities import Share

Rows = Literal["sample-wise", "class-wise"]


@dataclass(frozen=True)
class _Place:
    """A part's share of epsilon, and its rows where they are not the recipe's."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    share: Share = 1.0
    rows: Rows | None = None


@dataclass(frozen=True)
class Part:
    """A method with its settings. share: how much of epsilon it may use. rows: None for the recipe's."""

    method: Any
    share: float = 1.0
    rows: Rows | None = None


def _part(spec: Any) -> Any:
    """A part from a method's name, or from a mapping with a name, share, rows and the method's settings."""
    if isinstance(spec, Part):
        return spec
    given = spec if isinstance(spec, Mapping) else {"name": spec}
    own = schema.field_names(_Place)
    place, wrong = schema.check(_Place, {key: value for key, value in given.items() if key in own})
    rest = {key: value for key, value in given.items() if key not in own}
    method, more = _method(rest)
    if wrong or more:
        raise schema.Problems([*wrong, *more])
    return Part(method, place.share, place.rows)


def _method(spec: Mapping[str, Any]) -> tuple[Any, list[schema.Problem]]:
    try:
        return schema.named(lambda name: registry.load("methods", name), spec)
    except UnknownName as error:
        return None, [(("name",), str(error))]


def _spec(part: Part) -> dict[str, Any]:
    name = type(part.method).__module__.rpartition(".")[2]
    rows = {} if part.rows is None else {"rows": part.rows}
    return {"name": name, "share": part.share, **rows, **schema.plain(part.method)}


PartField = Annotated[Any, BeforeValidator(_part), PlainSerializer(_spec)]
