"""Deleting what a scan has left: embeddings, and on request people file and contact sheet. Only what is ours."""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from unlearn import files
from unlearn.errors import DataError
from unlearn.people import sheet, state
from unlearn.photos import locking
from unlearn.photos.labels.people_file import SCHEMA, is_people

YAML, SHEET = "names and boxes of faces", "pictures of faces"


@dataclass
class Forgotten:
    """deleted: in the order of deletion. left: what still is there, and what it holds."""

    deleted: list[Path] = field(default_factory=list)
    left: list[tuple[Path, str]] = field(default_factory=list)


def forget(places: list[Path], everything: bool = False) -> Forgotten:
    """Delete state folders, and with `everything` people files and contact sheets too.

    Args:
        places: state folders, people files, contact sheets, or folders that hold some of these.

    Raises:
        DataError: nothing of ours is there; nothing is deleted then. OutputError: a scan is at work, or no permission.
    """
    states: dict[Path, None] = {}
    others: dict[Path, str] = {}
    for place in places:
        found_states, found_others = _ours(place)
        states |= dict.fromkeys(found_states)
        others |= found_others
    done = Forgotten()
    for folder in states:
        forget_state(folder)
        done.deleted.append(folder)
    for path, holds in others.items():
        if everything:
            with files.output_errors(path):
                path.unlink()
            done.deleted.append(path)
        else:
            done.left.append((path, holds))
    return done


def forget_state(folder: Path) -> None:
    """Delete a state folder, unless a scan is at work in it."""
    with files.output_errors(folder):
        with locking.locked(folder):
            for name in state.OWN:
                with contextlib.suppress(FileNotFoundError):
                    (folder / name).unlink()
        folder.rmdir()


def _ours(place: Path) -> tuple[list[Path], dict[Path, str]]:
    if state.has_state(place):
        return [place], _beside(place.parent, place.name.removesuffix(state.SUFFIX))
    if place.is_dir():
        states = sorted(path for path in place.glob(f"*{state.SUFFIX}") if state.has_state(path))
        others = _beside(place, None)
    else:
        folder = state.folder_of(place)
        states = [folder] if is_people(place.name) and state.has_state(folder) else []
        others = _beside(place.parent, place.stem) if _is_people_file(place) or states else {}
        others |= {place: SHEET} if sheet.is_ours(place) else {}
    if not states and not others:
        raise DataError(f"{place}: nothing that `unlearn people scan` made; nothing was deleted")
    return states, others


def _beside(folder: Path, stem: str | None) -> dict[Path, str]:
    """People files of a folder (of this stem, if one is given), and contact sheets."""
    candidates = sorted(path for path in folder.iterdir() if stem is None or path.stem == stem)
    found = {path: YAML for path in candidates if _is_people_file(path)}
    return found | {path: SHEET for path in sorted(folder.glob("*.htm*")) if sheet.is_ours(path)}


def _is_people_file(path: Path) -> bool:
    if not is_people(path.name) or path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        lines = file.read(8192).decode("utf-8", "replace").splitlines()
    return any(line.split("#")[0].split() == ["schema:", SCHEMA] for line in lines)
