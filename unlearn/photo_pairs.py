"""Which photos of an archive an audit trains on, and which clean photos test what was learned."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from unlearn.errors import DataError
from unlearn.photos import manifest, places, survey
from unlearn.photos.rows import Row
from unlearn.photos.walking import Rules

HELD_OUT = 0.3
FEWEST = 4  # photos of a subject: fewer can't be split into training and test
MOST = 60


@dataclass(frozen=True)
class Pair:
    """An original and its protected copy, with the subject they belong to."""

    subject: str
    original: Path
    protected: Path
    epsilon: float


@dataclass(frozen=True)
class Split:
    """Photos to train on, and photos whose originals test."""

    subjects: tuple[str, ...]
    train: tuple[Pair, ...]
    test: tuple[Pair, ...]
    left_out: tuple[str, ...] = ()


def pairs(out: Path, originals: Path, state: Path | None = None) -> list[Pair]:
    """Originals and protected copies of an archive, in the order of their paths.

    Raises:
        DataError: no archive of this tool, or originals that are not there.
    """
    with manifest.read_only(places.state_folder(out, state), settled=True) as found:
        if found is None:
            raise DataError(f"{out}: not an archive of unlearn protect; name the folder it wrote")
        rows = [row for row in found.rows() if row.status == "protected" and row.has_output]
    made = [_pair(row, out, originals) for row in rows]
    missing = next((pair for pair in made if not pair.original.is_file()), None)
    if missing:
        raise DataError(f"{missing.original}: not there; --originals names the folder that was protected")
    return made


def _pair(row: Row, out: Path, originals: Path) -> Pair:
    place = Path(os.fsdecode(row.out_path or b""))
    return Pair(row.subject, originals / os.fsdecode(row.path), out / place, row.epsilon or 0.0)


def split(found: Sequence[Pair]) -> Split:
    """A part of every subject's photos is held out, chosen by their names.

    Raises:
        DataError: fewer than two subjects with enough photos.
    """
    by_subject = _by_subject(found)
    enough = {name: mine[:MOST] for name, mine in by_subject.items() if len(mine) >= FEWEST}
    if len(enough) < 2:
        raise DataError(
            f"an audit needs two subjects with at least {FEWEST} photos each, this archive has {len(enough)}; "
            "`unlearn protect --people folders` or a table of people tells subjects apart"
        )
    held = {name: max(1, round(HELD_OUT * len(mine))) for name, mine in enough.items()}
    train = tuple(pair for name, mine in enough.items() for pair in mine[held[name] :])
    test = tuple(pair for name, mine in enough.items() for pair in mine[: held[name]])
    return Split(tuple(enough), train, test, _others(by_subject, enough))


def against(found: Sequence[Pair], folder: Path) -> Split:
    """The whole archive trains, other photos of its subjects test: clean ones that no key has been crafted on.

    Args:
        folder: one folder a subject, named as in the archive.

    Raises:
        DataError: no such folder, photos of the archive in it, or fewer than two subjects with photos on both sides.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; --test names one with a folder of clean photos for every subject")
    clean = _clean(folder)
    known = {pair.original.resolve() for pair in found}
    twice = next((pair for pair in clean if pair.original.resolve() in known), None)
    if twice:
        raise DataError(f"{twice.original}: is in the archive; --test names photos that were not protected")
    by_subject, fresh = _by_subject(found), _by_subject(clean)
    both = [name for name in by_subject if name in fresh]
    if len(both) < 2:
        raise DataError(
            f"{folder}: photos of {len(both)} of the archive's subjects, an audit needs two; there are folders "
            f"{_some(fresh)}, and in the archive {_some(by_subject)}"
        )
    train = tuple(pair for name in both for pair in by_subject[name][:MOST])
    test = tuple(pair for name in both for pair in fresh[name][:MOST])
    return Split(tuple(both), train, test, _others(by_subject, both))


def _clean(folder: Path) -> list[Pair]:
    """Photos that have no protected copy, by the folder they lie in."""
    photos = survey.survey(folder, Rules(), "folders").photos()
    places = [(item.subject, folder / os.fsdecode(item.path)) for item in photos]
    return [Pair(subject, path, path, 0.0) for subject, path in places]


def _by_subject(found: Iterable[Pair]) -> dict[str, list[Pair]]:
    """In an order of the photos' names that has nothing to do with when they were taken."""
    by_subject: dict[str, list[Pair]] = {}
    for pair in sorted(found, key=lambda pair: hashlib.sha256(os.fsencode(pair.original.name)).digest()):
        by_subject.setdefault(pair.subject, []).append(pair)
    return dict(sorted(by_subject.items()))


def _others(everyone: Iterable[str], chosen: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in everyone if name not in set(chosen))


def _some(names: Iterable[str]) -> str:
    found = sorted(names)
    return ", ".join(found[:4]) + (" ..." if len(found) > 4 else "") or "none"
