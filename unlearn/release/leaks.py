"""What must not travel with a release: secrets by file name, and paths, keys and names inside texts."""

import contextlib
import getpass
import re
import socket
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from unlearn.release import wording

_ANTIDOTE = "may be the perturbation, which undoes the protection"
_MODEL = "may be a checkpoint or an array, which may undo the protection"
_KEY = "may be a key"
_CACHE = "is a cache or a tool's own folder"
_SUFFIXES = {
    ".safetensors": _ANTIDOTE,
    **dict.fromkeys((".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".npy", ".npz", ".bin", ".onnx"), _MODEL),
    **dict.fromkeys((".key", ".pem", ".p12", ".gpg", ".age"), _KEY),
}
_FOLDERS = (".cache", "__pycache__", ".unlearn", ".git", ".huggingface", "checkpoints")
_RUN_FILES = ("log.jsonl", "recipe.yaml", "keys.json")

_PATTERNS = {
    "absolute path": re.compile(
        r"(?<![\w./~<%])/(?:[A-Za-z]\w[\w.@+-]*/[\w.@+-]+|(?:home|Users|root|tmp)\b)"
        r"|(?<![A-Za-z])[A-Za-z]:[\\/]+\w+|file://\S+|(?<![\w\\])\\\\+[\w.-]+\\+[\w$.-]+"
    ),
    "home folder": re.compile(r"(?<![\w~])~\w*/[\w.-]+"),
    "secret": re.compile(
        r"(?i)(?<![A-Za-z0-9])(?:\w*_)?(?:seed|key|secret|token|password|passphrase|salt)[\"']?\s*[:=]"
    ),
    "access token": re.compile(r"\bhf_[A-Za-z0-9]{20,}"),
}
# Names that many machines share say nothing about a person.
_COMMON = {
    "root",
    "user",
    "users",
    "admin",
    "administrator",
    "home",
    "ubuntu",
    "debian",
    "fedora",
    "runner",
} | {
    "nobody",
    "localhost",
    "localdomain",
    "guest",
    "docker",
    "jovyan",
    "vagrant",
    "default",
    "local",
    "server",
}


def file_problem(path: str) -> str | None:
    """Why a file of this relative path may not be in a release, or None."""
    parts = PurePosixPath(path).parts
    if any(part.lower() in _FOLDERS for part in parts):
        return _CACHE
    if parts[-1].lower() in _RUN_FILES:
        return "is a file of a run, not of a release"
    return _SUFFIXES.get(PurePosixPath(path).suffix.lower())


def machine_names() -> set[str]:
    """The user's and the host's name, where this machine knows them."""
    names = {Path("~").expanduser().name, socket.gethostname(), socket.gethostname().partition(".")[0]}
    with contextlib.suppress(OSError, KeyError, ImportError):  # a user without an entry, as in containers
        names.add(getpass.getuser())
    return {name for name in names if len(name) > 2 and name.lower() not in _COMMON}


def private_names(stated: str) -> set[str]:
    """Names of this machine, without those that the publisher states or that the card's own sentences use."""
    public = f"{stated} {wording.ALL}"
    return {name for name in machine_names() if not _named(name).search(public)}


def _named(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", re.IGNORECASE)


def text_problems(text: str, names: Collection[str]) -> Iterator[str]:
    """Every path, secret or name (of this machine) in a text."""
    for kind, pattern in _PATTERNS.items():
        for match in pattern.finditer(text):
            yield f"{kind} in the text: {match.group()[:80]!r}"
    for name in sorted(names):
        if _named(name).search(text):
            yield f"name of this user or machine in the text: {name!r}"
