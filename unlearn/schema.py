"""Dataclasses and function signatures as schemas: every error at once, with its path and the nearest name."""

import dataclasses
import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model

from unlearn.quantities import LEAST, text
from unlearn.registry import suggestion

Problem = tuple[tuple[str, ...], str]


class Problems(ValueError):
    """What a field's own check found inside its value; the paths begin there."""

    def __init__(self, found: Sequence[Problem]):
        self.found = tuple(found)
        super().__init__("; ".join(f"{'.'.join(path)}: {sentence}" for path, sentence in found))


def problems(error: ValidationError, schema: Any) -> list[Problem]:
    """Pydantic's errors as (path, sentence), in our words."""
    items = error.errors()
    return [each for item in items if not _follows(item, items) for each in _told(item, schema)]


def _told(item: Any, schema: Any) -> list[Problem]:
    place, inner = _path(item["loc"]), item.get("ctx", {}).get("error")
    if isinstance(inner, Problems):
        return [((*place, *path), sentence) for path, sentence in inner.found]
    return [(place, _sentence(item, schema))]


def _follows(item: Any, items: Sequence[Any]) -> bool:
    """A collection that is too short only because pydantic dropped its invalid members."""
    place = item["loc"]
    return item["type"] == "too_short" and any(o["loc"][: len(place)] == place != o["loc"] for o in items)


def _path(location: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(str(part) for part in location)


def _sentence(item: Any, schema: Any) -> str:
    kind, given = item["type"], item.get("input")
    if kind in ("unexpected_keyword_argument", "extra_forbidden"):
        return _unknown(item["loc"], schema)
    if kind in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return "is missing"
    message = item["msg"].removeprefix("Value error, ")
    for theirs, ours in (
        ("Input should be", "should be"),
        ("a valid integer", "an integer"),
        ("a valid ", "a "),
    ):
        message = message.replace(theirs, ours)
    message = message.replace(str(LEAST), text(LEAST))
    alone = re.search(rf"(?<![\w./]){re.escape(_quoted(given))}(?![\w./])", message)
    told = isinstance(given, dict | list) or "got" in message or alone
    shown = "" if told else f", got {_quoted(given)}"
    return message + shown


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _unknown(location: tuple[Any, ...], schema: Any) -> str:
    owner = owner_of(schema, location[:-1])
    fields = field_names(owner)
    name = getattr(owner, "__name__", "this section")
    near = suggestion(str(location[-1]), fields)
    return f"not a field of {name} ({', '.join(fields) or 'it has none'}){near}"


def owner_of(schema: Any, location: tuple[Any, ...]) -> Any:
    """The dataclass or model that a path inside a schema leads to."""
    for part in location:
        hints = get_type_hints(schema) if isinstance(schema, type) else {}
        schema = hints.get(str(part), schema)
        schema = next((a for a in getattr(schema, "__args__", ()) if dataclasses.is_dataclass(a)), schema)
    return schema


def field_names(schema: Any) -> list[str]:
    """Names of the fields of a dataclass or pydantic model."""
    if dataclasses.is_dataclass(schema):
        return [field.name for field in dataclasses.fields(schema)]
    return list(getattr(schema, "model_fields", {}))


@functools.lru_cache(maxsize=256)
def _adapter(schema: Any) -> TypeAdapter[Any]:
    """Building one costs milliseconds, and a recipe asks for the same few again and again."""
    return TypeAdapter(schema)


def check(schema: Any, value: Any) -> tuple[Any, list[Problem]]:
    """(checked value, problems): the value is None where there are problems."""
    try:
        return _adapter(schema).validate_python(value), []
    except ValidationError as error:
        return None, problems(error, schema)


def of_function(function: Callable[..., Any], skip: tuple[str, ...] = ()) -> Any:
    """A model of a function's keyword parameters: names, types and defaults."""
    hints = get_type_hints(function, include_extras=True)
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name not in skip]
    fields: dict[str, Any] = {p.name: (hints[p.name], ... if p.default is p.empty else p.default) for p in parameters}
    return create_model(function.__name__, __config__=ConfigDict(extra="forbid"), **fields)


def plain(value: Any) -> Any:
    """A checked value as YAML-ready plain data; quantities are written back as fractions."""
    kind: Any = type(value)
    return _adapter(kind).dump_python(value, mode="json")


def named(room_load: Callable[[str], Any], spec: Any) -> tuple[Any, list[Problem]]:
    """Check `name` or `{name: ..., option: ...}` against the schema that the name stands for."""
    if isinstance(spec, str):
        spec = {"name": spec}
    if not isinstance(spec, Mapping) or not isinstance(spec.get("name"), str):
        return None, [((), "expected a name, or a mapping with a name")]
    options = {key: value for key, value in spec.items() if key != "name"}
    return check(room_load(spec["name"]), options)
