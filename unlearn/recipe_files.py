"""Recipe files: finding them by name, reading YAML strictly, dotted overrides, and lines for messages."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from unlearn.errors import RecipeError, UnknownName
from unlearn.registry import PACKAGE, suggestion

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null")}
Place = tuple[int, int]


@dataclass(frozen=True)
class Source:
    """A recipe as written: its name, its content, and where each key stands; the overrides by what they set."""

    name: str
    label: str
    content: dict[str, Any]
    places: Mapping[tuple[str, ...], Place]
    overridden: Mapping[tuple[str, ...], str] = field(default_factory=dict)

    def place(self, path: tuple[str, ...]) -> Place | None:
        """Line and column of a key, or of the nearest section around it that is in the file."""
        ends = range(len(path), 0, -1)
        return next((self.places[path[:end]] for end in ends if path[:end] in self.places), None)

    def describe(self, path: tuple[str, ...], sentence: str) -> str:
        """`mine.yaml:7:3 method.pgd.steps: should be ...`, or the override that set it in place of the file."""
        for end in range(len(path), 0, -1):
            if override := self.overridden.get(path[:end]):
                return f'override "{override}": {".".join(path)}: {sentence}'
        place = self.place(path)
        at = f":{place[0]}:{place[1]}" if place else ""
        return f"{self.label}{at} {'.'.join(path)}: {sentence}" if path else f"{self.label}: {sentence}"


def folder() -> Path:
    """Where the recipes of this installation are: beside the package in a checkout, inside it in a wheel."""
    inside = PACKAGE / "_recipes"
    return inside if inside.is_dir() else PACKAGE.parent / "recipes"


def names() -> list[str]:
    """Names of all recipes, such as `demo` and `audits/standard`."""
    root = folder()
    return sorted(str(path.relative_to(root).with_suffix("")) for path in root.rglob("*.yaml"))


def find(name_or_path: str) -> Path:
    """A recipe's file, by name or by path.

    Raises:
        UnknownName: with the nearest name; RecipeError: for a folder.
    """
    path = Path(name_or_path)
    if path.is_dir():
        raise RecipeError([f"{name_or_path}: is a folder; name a recipe file or one of: {_choices('')}"])
    if path.is_file():
        return path
    if name_or_path in names():
        return folder() / f"{name_or_path}.yaml"
    near = suggestion(name_or_path, names())
    raise UnknownName(f'recipe "{name_or_path}" does not exist{near}; there are: {_choices(name_or_path)}')


def _choices(name: str) -> str:
    """The recipes beside one of this name; folders of others stand for theirs, so that the line can be read."""
    inside = name.rpartition("/")[0]
    beside = [each for each in names() if inside and each.startswith(f"{inside}/")]
    found = beside or sorted({re.sub("/.*", "/...", each) for each in names()})
    return f"{', '.join(found)} (`unlearn ls recipes` tells what they are)"


def read(name_or_path: str, overrides: Sequence[str] = ()) -> Source:
    """Read a recipe and apply overrides such as `epsilon=4/255`.

    Raises:
        RecipeError: unreadable, too large, not a mapping, duplicate keys, or a malformed override.
    """
    path = find(name_or_path)
    label = name_or_path if path == Path(name_or_path) else f"recipes/{name_or_path}.yaml"
    content, places = parse(_text(path, label), label)
    overridden = {_override(content, override): override for override in overrides}
    name = path.stem if path == Path(name_or_path) else name_or_path
    return Source(name, label, content, places, overridden)


def _text(path: Path, label: str) -> str:
    if path.stat().st_size > MAX_BYTES:
        raise RecipeError([f"{label}: larger than {MAX_BYTES:,} bytes, not a recipe"])
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise RecipeError([f"{label}: not UTF-8 text, not a recipe"]) from None
    except PermissionError:
        raise RecipeError([f"{label}: no permission to read it"]) from None


def parse(text: str, label: str) -> tuple[dict[str, Any], dict[tuple[str, ...], Place]]:
    """YAML with nothing surprising: no aliases, no duplicate keys, no tags, bounded depth."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        at = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise RecipeError([f"{label}{at}: not readable as YAML ({getattr(error, 'problem', None) or error})"]) from None
    places: dict[tuple[str, ...], Place] = {}
    problems: list[str] = []
    content = _plain(node, (), places, problems, label, set()) if node else None
    if problems:
        raise RecipeError(problems)
    if not isinstance(content, dict):
        raise RecipeError([f"{label}: expected a mapping such as 'method: em', found {_kind(content)}"])
    return content, places


def _kind(content: Any) -> str:
    if content is None:
        return "nothing"
    return "a list" if isinstance(content, list) else "text" if isinstance(content, str) else "a number"


def _plain(
    node: yaml.Node,
    path: tuple[str, ...],
    places: dict[tuple[str, ...], Place],
    problems: list[str],
    label: str,
    seen: set[int],
) -> Any:
    """A node as plain data, noting places and collecting problems."""
    at = f"{label}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
    if id(node) in seen or len(path) > MAX_DEPTH:
        problems.append(f"{at} {'.'.join(path)}: aliases and nesting beyond {MAX_DEPTH} levels are not for recipes")
        return None
    seen.add(id(node))
    if node.tag not in PLAIN_TAGS:
        problems.append(f"{at} {'.'.join(path)}: {node.tag} values are not for recipes")
        return None
    if isinstance(node, yaml.SequenceNode):
        return [_plain(n, (*path, str(i)), places, problems, label, seen) for i, n in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return _Scalars("").construct_object(node)
    out: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        mark = key_node.start_mark
        if key in out:
            first = places[(*path, key)]
            where = f"{label}:{mark.line + 1}:{mark.column + 1} {'.'.join((*path, key))}"
            problems.append(f"{where}: given twice, first in line {first[0]}")
        places[(*path, key)] = (mark.line + 1, mark.column + 1)
        out[key] = _plain(value_node, (*path, key), places, problems, label, seen)
    return out


class _Scalars(yaml.SafeLoader):
    """`no`, `on` and `yes` stay text, as in YAML 1.2; only true and false are truth values."""


_Scalars.add_constructor(
    "tag:yaml.org,2002:bool",
    lambda loader, node: {"true": True, "false": False}.get(str(node.value).lower(), node.value),
)


def _override(content: dict[str, Any], text: str) -> tuple[str, ...]:
    """`a.b=value` sets, `~a.b` removes; whether a key that is set exists is the schema's business. The key's path."""
    written, equals, value = text.partition("=")
    path = tuple(written.removeprefix("~").split("."))
    if not all(path) or not (equals or text.startswith("~")):
        raise RecipeError([f'override "{text}": expected key=value, such as epsilon=4/255, or ~key'])
    *parents, last = path
    section = _section(content, parents, text)
    if text.startswith("~"):
        _remove(section, last, text)
    else:
        section[last] = parse(f"value: {value}", f'override "{text}"')[0]["value"]
    return path


def _remove(section: dict[str, Any], key: str, text: str) -> None:
    """A key that is absent already may be removed; one that is misspelt may not."""
    if key not in section and (near := suggestion(key, section)):
        raise RecipeError([f'override "{text}": there is no {key} to remove{near}'])
    section.pop(key, None)


def _section(content: dict[str, Any], parents: Sequence[str], text: str) -> dict[str, Any]:
    for part in parents:
        inner = content.get(part)
        if isinstance(inner, str):
            inner = _expanded(part, inner)
        if not isinstance(inner, dict | None):
            raise RecipeError([f'override "{text}": {part} is a value and has no parts'])
        content[part] = inner if inner is not None else {}
        content = content[part]
    return content


def _expanded(key: str, value: str) -> dict[str, Any]:
    """What a short form stands for: an audit's recipe, or `method: em` for `method: {name: em}`."""
    return dict(read(value).content) if key == "audit" else {"name": value}
