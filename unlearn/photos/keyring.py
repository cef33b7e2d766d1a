"""Which key protects which subject: keys that the user names, and keys kept in OUT/keys by earlier runs."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from unlearn import files
from unlearn.errors import UnlearnError
from unlearn.photos import keys, subjects
from unlearn.photos.jobs import Held
from unlearn.photos.keys import Key
from unlearn.photos.subjects import EVERYONE

SUFFIX = ".safetensors"
FACE = ".face"
PROTECTS = {
    "training": "against training on the photos; not against programs that know the face already",
    "matching": "against matching by programs that know faces already; not against training on the photos",
}
LIES = {"photo": "stretched over the whole photo", "face": "laid over every face, however it is turned"}


@dataclass(frozen=True)
class Known:
    """Keys that there are: by subject for whole photos; for faces by person and by what they protect against."""

    photo: dict[str, Held] = field(default_factory=dict)
    face: dict[str, dict[str, Held]] = field(default_factory=dict)

    @property
    def threats(self) -> frozenset[str]:
        """What the keys protect against."""
        return frozenset({"training"} if self.photo else ()) | {
            threat for each in self.face.values() for threat in each
        }

    @property
    def face_keys(self) -> dict[str, tuple[Held, ...]]:
        """All keys of a person's face."""
        return {name: tuple(each.values()) for name, each in self.face.items()}

    def joined(self, other: "Known") -> "Known":
        """Both; the other's keys take the place of those for the same purpose."""
        names = dict.fromkeys([*self.face, *other.face])
        return Known(
            self.photo | other.photo, {name: self.face.get(name, {}) | other.face.get(name, {}) for name in names}
        )

    def only(self, photo: bool, face: str | None) -> "Known":
        """The keys for whole photos, if they are wanted, and those for faces against one threat."""
        mine = {name: {face: each[face]} for name, each in self.face.items() if face in each} if face else {}
        return Known(self.photo if photo else {}, mine)


def given(paths: tuple[Path, ...], photos: dict[str, int]) -> Known:
    """Keys that the user named, for subjects with so many photos each; several of one subject work together.

    Photos of subjects without a key get those of `everyone`, if they are among them. (Keys of a single subject are for
    all photos, whoever is on them: the caller has not asked for labels then.)

    Raises:
        KeyFileError: a file that cannot be used. UnlearnError: two keys of a subject for one purpose, or subjects
            without any.
    """
    known = _gathered((path, keys.load(path)) for path in paths)
    without = {name: count for name, count in photos.items() if name not in known.photo and name not in known.face}
    if without and (EVERYONE in known.photo or EVERYONE in known.face):
        photo = dict.fromkeys(without, known.photo[EVERYONE]) if EVERYONE in known.photo else {}
        face = dict.fromkeys(without, known.face[EVERYONE]) if EVERYONE in known.face else {}
        return known.joined(Known(photo, face))
    if without:
        names = ", ".join(f"{name} ({count})" for name, count in list(without.items())[:6])
        raise UnlearnError(
            f"no key for the photos of {names}{' ...' if len(without) > 6 else ''}; give their keys, one key of "
            f"{EVERYONE}, a single key for all photos, or none so that keys are crafted"
        )
    return known


def subject_of(paths: tuple[Path, ...]) -> str | None:
    """The subject of all these keys, if it is one.

    Raises:
        KeyFileError: a file that cannot be used.
    """
    found = {keys.load(path).subject for path in paths}
    return found.pop() if len(found) == 1 else None


def _gathered(loaded: Iterable[tuple[Path, Key]]) -> Known:
    known = Known()
    for path, key in loaded:
        theirs = known.face.setdefault(key.subject, {}) if key.frame == "face" else known.photo
        purpose = key.threat if key.frame == "face" else key.subject
        if purpose in theirs:
            where = "faces" if key.frame == "face" else "whole photos"
            raise UnlearnError(
                f"{path}: a second key of {key.subject} for {where} against {key.threat}; give one of them"
            )
        theirs[purpose] = (str(path.resolve()), key.id)
    return known


def kept(folder: Path, intensity: str) -> Known:
    """Keys of earlier runs into the same OUT.

    Raises:
        KeyFileError: a file that cannot be used. UnlearnError: a key of another intensity.
    """
    found = [(path, keys.load(path)) for path in sorted(folder.glob(f"*{SUFFIX}"))] if folder.is_dir() else []
    for path, key in found:
        if key.strength != intensity:
            raise UnlearnError(
                f"{path}: is of intensity {key.strength}, not {intensity}; "
                "name another OUT, or give it with --key to use it as it is"
            )
    return _gathered(found)


def keep(folder: Path, made: Mapping[str, Key]) -> Known:
    """Save keys into OUT/keys, which only the owner may enter.

    Raises:
        OutputError: the folder cannot be written.
    """
    own(folder)
    places = {name: place(folder, key) for name, key in made.items()}
    for name, key in made.items():
        keys.save(places[name], key)
    return _gathered((places[name], key) for name, key in made.items())


def own(folder: Path) -> None:
    """Make a folder for secrets.

    Raises:
        OutputError: it cannot be written.
    """
    with files.output_errors(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        os.chmod(folder, 0o700)


def place(folder: Path, key: Key) -> Path:
    """The file of a subject's key: alice.safetensors, alice.face.safetensors."""
    face = "" if key.frame == "photo" else FACE if key.threat == "matching" else f"{FACE}-{key.threat}"
    return folder / f"{subjects.file_name(key.subject)}{face}{SUFFIX}"


def listing(folder: Path) -> list[tuple[Path, Key | str]]:
    """Key files below a folder with their keys, or with what is wrong with them."""
    found: list[tuple[Path, Key | str]] = []
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        try:
            found.append((path, keys.load(path)))
        except keys.KeyFileError as error:
            found.append((path, str(error)))
    return found


def line(key: Key) -> str:
    """A key in one line."""
    return f"{key.subject}  {key.strength}  {key.id}  {key.frame}, against {key.threat}"


def described(path: Path, key: Key) -> list[str]:
    """What a key is, without what is secret about it."""
    variants, channels, side, _ = key.delta.shape
    channel = "luma" if channels == 1 else "color"
    return [
        f"{path}",
        f"  subject    {key.subject}",
        f"  id         {key.id}",
        f"  intensity  {key.strength}: at most {key.epsilon * 255:.3g} of 255 levels before the file is encoded",
        f"  protects   {PROTECTS.get(key.threat, f'against {key.threat}')}",
        f"  noise      {variants} variants of {channel}, {side}x{side}, {LIES[key.frame]}",
        f"  made       {key.made or 'unknown'} by recipe {key.recipe_hash[:12] or 'unknown'}",
    ]


def facts(path: Path, key: Key) -> dict[str, object]:
    """The same for programs."""
    return {
        "path": str(path),
        "subject": key.subject,
        "id": key.id,
        "intensity": key.strength,
        "epsilon": key.epsilon,
        "threat": key.threat,
        "frame": key.frame,
        "shape": list(key.delta.shape),
        "made": key.made,
        "recipe_hash": key.recipe_hash,
        "versions": key.versions,
    }
