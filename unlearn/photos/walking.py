"""Every file below a folder of photos, in the order of its path, whatever is in the way.

Paths are bytes, because names need not be UTF-8. Nothing is kept but the listings of the folders on the way down.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pathspec

from unlearn.errors import UnlearnError
from unlearn.photos import ignoring
from unlearn.photos.ignoring import Level

REMEMBERED = 1000  # unreadable folders that are named; more are only counted


class InputMissing(UnlearnError):
    """There are no photos where photos were expected."""

    exit_code = 3


class LibraryFound(UnlearnError):
    """A photo manager's own package, whose inside is not made for other programs."""


@dataclass(frozen=True)
class Rules:
    """What is walked. Patterns are in gitignore syntax; `include` chooses files, `exclude` files and folders."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    follow_links: bool = False

    @cached_property
    def wanted(self) -> pathspec.GitIgnoreSpec | None:
        """The compiled `include`, or None for everything."""
        return ignoring.compiled(self.include, "--include") if self.include else None

    @cached_property
    def excluded(self) -> tuple[Level, ...]:
        """The compiled `exclude`, as a level above all ignore files."""
        return (Level(b"", "--exclude", ignoring.compiled(self.exclude, "--exclude")),) if self.exclude else ()


@dataclass(frozen=True, slots=True)
class Found:
    """A file: its path relative to the root, and what tells whether it has changed."""

    path: bytes
    size: int
    mtime_ns: int
    device: int
    inode: int


@dataclass
class Skipped:
    """What was not walked: counts by rule, and folders that could not be read."""

    rules: Counter[str] = field(default_factory=Counter)
    unreadable: list[tuple[bytes, str]] = field(default_factory=list)

    def cannot(self, path: bytes, error: OSError) -> None:
        """Note a folder or file that could not be read, but for one that has vanished."""
        if isinstance(error, FileNotFoundError):
            self.rules["vanished while walking"] += 1
            return
        self.rules["unreadable"] += 1
        if len(self.unreadable) < REMEMBERED:
            self.unreadable.append((path, error.strerror or type(error).__name__))


@dataclass
class _Folder:
    """A folder on the way down: its entries still to come, its ignore files, and the folders above it."""

    path: bytes
    entries: Iterator["os.DirEntry[bytes]"]
    levels: tuple[Level, ...]
    above: frozenset[tuple[int, int]]


def walk(root: Path, rules: Rules = Rules(), skipped: Skipped | None = None) -> Iterator[Found]:
    """Files below `root`, sorted by the bytes of their paths.

    Args:
        skipped: filled with what was left alone while the iterator runs.

    Raises:
        InputMissing: `root` is no folder.
        LibraryFound: a photo manager's package is in the way; the message says how to export it.
    """
    if not root.is_dir():
        raise InputMissing(f"{root}: {'is no folder' if root.exists() else 'does not exist'}")
    _no_library(os.fsencode(root.absolute()), os.fsencode(root.resolve().name))
    yield from _Walk(os.fsencode(root), rules, skipped if skipped is not None else Skipped()).files()


def _no_library(path: bytes, name: bytes) -> None:
    if ignoring.is_library(name):
        shown = path.decode("utf-8", "backslashreplace")
        raise LibraryFound(
            f"{shown}: is a photo manager's library; export its photos to a folder first "
            "(File > Export in the program, or osxphotos export on macOS), or --exclude it"
        )


class _Walk:
    def __init__(self, root: bytes, rules: Rules, skipped: Skipped):
        self.root, self.rules, self.skipped = root, rules, skipped
        self.real = os.path.realpath(root)
        self.linked: set[tuple[int, int]] = set()

    def files(self) -> Iterator[Found]:
        """Depth first with a stack of its own: a tree may be deeper than Python's."""
        facts = os.stat(self.root)
        top = self._open(b"", self.rules.excluded, frozenset({(facts.st_dev, facts.st_ino)}))
        stack = [top] if top else []
        while stack:
            entry = next(stack[-1].entries, None)
            if entry is None:
                stack.pop()
                continue
            try:
                found = self._look(entry, stack)
            except OSError as error:
                self.skipped.cannot(stack[-1].path + entry.name, error)
                continue
            if found:
                yield found

    def _look(self, entry: "os.DirEntry[bytes]", stack: list[_Folder]) -> Found | None:
        here = stack[-1]
        path = here.path + entry.name
        is_folder = entry.is_dir()
        rule = (
            ignoring.never(entry.name)
            or self._link_rule(entry)
            or ignoring.deciding(here.levels, path + b"/" if is_folder else path)
        )
        if rule:
            self.skipped.rules[rule] += 1
            return None
        if not is_folder:
            return self._file(entry, path)
        _no_library(os.path.join(self.root, path), entry.name)
        self._enter(entry, path, stack)
        return None

    def _link_rule(self, entry: "os.DirEntry[bytes]") -> str | None:
        if not entry.is_symlink():
            return None
        if not self.rules.follow_links:
            return "links (--follow-links follows those inside PHOTOS)"
        target = os.path.realpath(entry.path)
        inside = (target + b"/").startswith(self.real.rstrip(b"/") + b"/")
        return None if inside else "links that lead out of PHOTOS"

    def _file(self, entry: "os.DirEntry[bytes]", path: bytes) -> Found | None:
        facts = entry.stat()
        rule = self._file_rule(path, facts.st_mode)
        if rule:
            self.skipped.rules[rule] += 1
            return None
        return Found(path, facts.st_size, facts.st_mtime_ns, facts.st_dev, facts.st_ino)

    def _file_rule(self, path: bytes, mode: int) -> str | None:
        if not stat.S_ISREG(mode):
            return "pipes, sockets and devices"
        wanted = self.rules.wanted
        return "--include" if wanted and not wanted.match_file(path.decode("utf-8", "surrogateescape")) else None

    def _enter(self, entry: "os.DirEntry[bytes]", path: bytes, stack: list[_Folder]) -> None:
        """Go down, once through every link: links to links would multiply without end."""
        facts = entry.stat()
        identity = (facts.st_dev, facts.st_ino)
        if identity in stack[-1].above or (entry.is_symlink() and identity in self.linked):
            self.skipped.rules["folders that were reached before (a loop of links)"] += 1
            return
        if entry.is_symlink():
            self.linked.add(identity)
        folder = self._open(path + b"/", stack[-1].levels, stack[-1].above | {identity})
        if folder:
            stack.append(folder)

    def _open(self, path: bytes, levels: tuple[Level, ...], above: frozenset[tuple[int, int]]) -> _Folder | None:
        try:
            with os.scandir(os.path.join(self.root, path)) as listing:
                entries = sorted(listing, key=_order)
            names = [entry.name for entry in entries]
            if ignoring.NO_MEDIA in names:
                self.skipped.rules["folders with .nomedia"] += 1
                return None
            levels = (*levels, *ignoring.levels_of(path, self.root, names))
        except OSError as error:
            self.skipped.cannot(path, error)
            return None
        return _Folder(path, iter(entries), levels, above)


def _order(entry: "os.DirEntry[bytes]") -> bytes:
    """Folders sort with the slash that follows them, so that whole paths come out sorted."""
    try:
        return entry.name + b"/" if entry.is_dir() else entry.name
    except OSError:
        return entry.name
