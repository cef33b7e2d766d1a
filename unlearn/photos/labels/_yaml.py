"""YAML that people edit: read into nodes with their places, so that every problem is told with line and column."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml
from yaml import Node

from unlearn.errors import DataError
from unlearn.registry import suggestion

MOST_BYTES: Final = 200_000_000
MOST_PROBLEMS: Final = 20
MOST_DEPTH: Final = 32
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the other one takes minutes for 100,000 faces
_NUMBERS: Final = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_SCALARS: Final = (*_NUMBERS, "tag:yaml.org,2002:str", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")
Place = tuple[str, ...]


class Problems:
    """Reads nodes as what they should be; what is not is noted, and the reading goes on."""

    def __init__(self, label: str):
        self.label = label
        self.found: list[str] = []
        self.count = 0
        self._seen: set[int] = set()

    def at(self, line: int, sentence: str) -> None:
        """Note a problem of a line."""
        self.count += 1
        if len(self.found) < MOST_PROBLEMS:
            self.found.append(f"{self.label}:{line}: {sentence}")

    def add(self, node: Node, place: Place, sentence: str) -> None:
        """Note a problem of a node: `people.yaml:7:3 persons.0.name: is missing`."""
        mark = node.start_mark
        self.count += 1
        if len(self.found) < MOST_PROBLEMS:
            where = f"{self.label}:{mark.line + 1}:{mark.column + 1} {'.'.join(place)}".rstrip()
            self.found.append(f"{where}: {sentence}")

    def raise_any(self) -> None:
        """Raise DataError if anything was noted."""
        if self.count:
            more = self.count - len(self.found)
            raise DataError("\n".join(self.found + [f"{self.label}: {more} more problems"] * (more > 0)))

    def mapping(self, node: Node, place: Place, keys: tuple[str, ...]) -> dict[str, Node]:
        """The values of a mapping that may have these keys, each once."""
        if not isinstance(node, yaml.MappingNode):
            self.add(node, place, f"expected {', '.join(keys)}, found {_kind(node)}")
            return {}
        found: dict[str, Node] = {}
        for key, value in node.value if self._first_time(node, place) else ():
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "a collection"
            if name not in keys:
                self.add(
                    key, place, f"{name[:80]!r} is not known here ({', '.join(keys)}){suggestion(name[:80], keys)}"
                )
            elif name in found:
                self.add(key, (*place, name), "is given twice")
            found[name] = value
        return {name: value for name, value in found.items() if name in keys}

    def items(self, node: Node | None, place: Place) -> Iterator[tuple[Place, Node]]:
        """The members of a list, with their places; nothing at all is an empty list."""
        if node is None or (isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")):
            return
        if not isinstance(node, yaml.SequenceNode):
            self.add(node, place, f"expected a list, found {_kind(node)}")
            return
        for number, item in enumerate(node.value if self._first_time(node, place) else ()):
            yield (*place, str(number)), item

    def text(self, node: Node, place: Place) -> str | None:
        """A scalar as it is written: `no`, `007` and `2020-01-01` are names too."""
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            return str(node.value)
        self.add(node, place, f"expected text, found {_kind(node)}")
        return None

    def number(self, node: Node, place: Place) -> float | None:
        """A finite number."""
        value = math.nan
        if isinstance(node, yaml.ScalarNode) and node.tag in _NUMBERS:
            try:
                value = float(node.value)
            except ValueError:
                value = math.nan
        if not math.isfinite(value):
            self.add(node, place, f"expected a number, found {_kind(node)}")
            return None
        return value

    def numbers(self, node: Node, place: Place, count: int) -> list[float] | None:
        """A list of so many finite numbers."""
        found = [self.number(item, here) for here, item in self.items(node, place)]
        if isinstance(node, yaml.SequenceNode) and len(found) != count:
            self.add(node, place, f"expected {count} numbers, found {len(found)}")
        values = [value for value in found if value is not None]
        return values if len(values) == count == len(found) else None

    def truth(self, node: Node, place: Place) -> bool:
        """true or false."""
        value = str(node.value).lower() if isinstance(node, yaml.ScalarNode) else ""
        if value not in ("true", "false"):
            self.add(node, place, f"expected true or false, found {_kind(node)}")
        return value == "true"

    def _first_time(self, node: Node, place: Place) -> bool:
        """Aliases would let a small file stand for an endless one."""
        if id(node) in self._seen:
            self.add(node, place, "is an alias; write it out")
            return False
        self._seen.add(id(node))
        return True


def compose(path: Path, problems: Problems) -> Node | None:
    """The root node of a file, or None with a problem noted.

    Raises:
        DataError: it cannot be read at all.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"{path}: larger than {MOST_BYTES:,} bytes")
        text = path.read_bytes().decode("utf-8-sig")
        root = _root(text)
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not UTF-8 text") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error).partition("\n")[0]
        problems.at(mark.line + 1 if mark else 1, f"not readable as YAML ({reason})")
        return None
    if root is None:
        problems.at(1, "is empty")
    return root


def _root(text: str) -> Node | None:
    """The quick loader's composer goes down without looking at the stack, so depth is looked at before."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise ValueError(f"nested beyond {MOST_DEPTH} levels in line {line}")
    root: Node | None = yaml.compose(text, Loader=_LOADER)
    return root


def _kind(node: Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return "nothing" if node.tag.endswith(":null") else f'"{node.value[:40]}"'
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
