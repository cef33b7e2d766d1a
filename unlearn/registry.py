"""Rooms and their names. A file's name is the name of what it holds; no list repeats it.

`names` reads folder listings only, so that listing a zoo does not import torch.
"""

import ast
import difflib
import functools
import importlib
import pkgutil
import tokenize
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from unlearn.errors import UnknownName

PACKAGE = Path(__file__).parent
_BEFORE_DOCSTRING = (tokenize.ENCODING, tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE)
PRESCREEN = "prescreen_"  # networks whose results are hints, by the beginning of their names
ROOMS = {"methods": "method", "defenses": "defense", "sources": "source", "kinds": "kind of perturbation"}


def names(room: str) -> list[str]:
    """Sorted names of the modules in a room such as `methods`."""
    return sorted(module.name for module in pkgutil.iter_modules([str(PACKAGE / room)]) if module.name[0] != "_")


@functools.cache
def _networks() -> dict[str, str]:
    """Public functions of `networks.py` and the first lines of their docstrings, read from its source text."""
    tree = ast.parse((PACKAGE / "networks.py").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    return {node.name: (ast.get_docstring(node) or "").partition("\n")[0] for node in functions}


def networks() -> list[str]:
    """Names of the networks."""
    return sorted(_networks())


def network_line(name: str) -> str:
    """First line of a network function's docstring."""
    return _networks()[name]


def load(room: str, name: str) -> Any:
    """What a module of a room holds: its class (methods, defenses) or the function of its name (sources).

    Raises:
        UnknownName: with the nearest name and all choices.
    """
    require(ROOMS[room], name, names(room))
    module = importlib.import_module(f"unlearn.{room}.{name}")
    own = (value for value in vars(module).values() if getattr(value, "__module__", None) == module.__name__)
    return getattr(module, name, None) or next(value for value in own if isinstance(value, type))


def require(kind: str, name: str, choices: Iterable[str]) -> None:
    """Raise UnknownName unless `name` is one of `choices`."""
    known = list(choices)
    if name not in known:
        raise UnknownName(f'{kind} "{name}" does not exist{suggestion(name, known)}; there are: {", ".join(known)}')


def suggestion(name: str, choices: Iterable[str]) -> str:
    """`; did you mean X?`, or nothing when no name is near."""
    near = difflib.get_close_matches(str(name), list(choices), n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def first_line(room: str, name: str) -> str:
    """First line of a module's docstring: the paper and its algorithm. Reads no further, so that lists are quick."""
    with (PACKAGE / room / f"{name}.py").open("rb") as file:
        tokens = (t for t in tokenize.tokenize(file.readline) if t.type not in _BEFORE_DOCSTRING)
        first = next(tokens)
    return str(ast.literal_eval(first.string)).partition("\n")[0] if first.type == tokenize.STRING else ""
