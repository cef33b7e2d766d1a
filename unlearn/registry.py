"""Rooms and their names. A file's name is the name of what it holds; no list repeats it.

`names` reads folder listings only, so that listing a zoo does not import torch.
"""

import ast
import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from unlearn.errors import UnknownName

PACKAGE = Path(__file__).parent
ROOMS = {"methods": "method", "defenses": "defense", "sources": "source", "kinds": "kind of perturbation"}


def names(room: str) -> list[str]:
    """Sorted names of the modules in a room such as `methods`."""
    return sorted(module.name for module in pkgutil.iter_modules([str(PACKAGE / room)]) if module.name[0] != "_")


def networks() -> list[str]:
    """Names of the public functions of `networks.py`, read from its source text."""
    tree = ast.parse((PACKAGE / "networks.py").read_text())
    functions = (node.name for node in tree.body if isinstance(node, ast.FunctionDef))
    return sorted(name for name in functions if not name.startswith("_"))


def network_line(name: str) -> str:
    """First line of a network function's docstring."""
    tree = ast.parse((PACKAGE / "networks.py").read_text())
    found = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)
    return (ast.get_docstring(found) or "").partition("\n")[0]


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
    """First line of a module's docstring: the paper and its algorithm."""
    tree = ast.parse((PACKAGE / room / f"{name}.py").read_text())
    return (ast.get_docstring(tree) or "").partition("\n")[0]
