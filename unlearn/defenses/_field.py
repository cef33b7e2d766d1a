"""A defense as a field of a recipe: its name, or a mapping with a name and settings."""

from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from unlearn import registry, schema
from unlearn.defenses import Defense
from unlearn.errors import UnknownName


def named(spec: Any) -> Any:
    """The defense that a recipe asks for.

    Raises:
        ValueError: no such defense, or settings that it doesn't have, as one sentence.
    """
    if isinstance(spec, Defense):
        return spec
    try:
        checked, problems = schema.named(lambda name: registry.load("defenses", name), spec)
    except UnknownName as error:
        raise ValueError(str(error)) from None
    if problems:
        raise ValueError("; ".join(": ".join(filter(None, (".".join(path), text))) for path, text in problems))
    return checked


def spec_of(defense: Defense) -> Any:
    """What a recipe writes for this defense."""
    name = type(defense).__module__.rpartition(".")[2]
    settings = schema.plain(defense)
    return {"name": name, **settings} if settings else name


DefenseField = Annotated[Any, BeforeValidator(named), PlainSerializer(spec_of)]
