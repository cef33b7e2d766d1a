"""What there is: names for `unlearn ls`, texts for `unlearn show`, recipes to copy. Reads no torch."""

from collections.abc import Callable, Iterator
from pathlib import Path

from unlearn import files, recipe_files, registry
from unlearn.errors import OutputError, RecipeError, UnknownName


def _recipe_line(name: str) -> str:
    # Not `find`, which lists all recipes each time.
    with (recipe_files.folder() / f"{name}.yaml").open(encoding="utf-8") as file:
        return file.readline().removeprefix("#").strip()


ROOMS: dict[str, tuple[Callable[[], list[str]], Callable[[str], str]]] = {
    "methods": (lambda: registry.names("methods"), lambda name: registry.first_line("methods", name)),
    "defenses": (lambda: registry.names("defenses"), lambda name: registry.first_line("defenses", name)),
    "sources": (lambda: registry.names("sources"), lambda name: registry.first_line("sources", name)),
    "victims": (registry.networks, registry.network_line),
    "recipes": (recipe_files.names, _recipe_line),
}


def listing(room: str | None) -> Iterator[str]:
    """`name  what it is`, a line each; all rooms with headings when none is named.

    Raises:
        UnknownName: no such room.
    """
    if room is not None:
        registry.require("room", room, ROOMS)
    for each in [room] if room else ROOMS:
        if room is None:
            yield f"{each}:"
        names, line = ROOMS[each]
        indent = "" if room else "  "
        yield from (f"{indent}{name:<26} {line(name)}".rstrip() for name in names())


def describe(name: str) -> str:
    """A recipe's text, or the first line of what a method, defense, source or victim says of itself.

    Raises:
        UnknownName: nothing of that name.
    """
    if name in recipe_files.names() or Path(name).exists():
        try:
            return recipe_files.find(name).read_text(encoding="utf-8").rstrip()
        except UnicodeDecodeError:
            raise RecipeError([f"{name}: not UTF-8 text, not a recipe"]) from None
    for room, (names, line) in ROOMS.items():
        if name in names():
            return f"{name} ({room}): {line(name)}"
    everything = sorted({each for names, _ in ROOMS.values() for each in names()})
    raise UnknownName(
        f'"{name}" is no recipe, method, defense, source or victim{registry.suggestion(name, everything)}'
    )


def copy(name: str, file: Path) -> None:
    """Copy a recipe to a new file.

    Raises:
        OutputError: the file exists, or cannot be written.
    """
    text = describe(str(recipe_files.find(name)))
    if file.is_dir():
        file = file / f"{Path(name).name}.yaml"
    if file.exists():
        raise OutputError(f"{file}: exists already; name a new file")
    with files.output_errors(file):
        files.write_text(file, text + "\n")
