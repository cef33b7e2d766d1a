"""Faces that Picasa wrote into `.picasa.ini` files; names come from contacts.xml or from the ini files themselves.

A face is `rect64(hex),contact`: left, top, right and bottom in 65535ths of the stored photo; leading zeros are missing.
"""

import re
import unicodedata
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from unlearn.photos import persons
from unlearn.photos.persons import Labels, Region, View

SOURCE = "picasa"
INI_NAMES = (b".picasa.ini", b"Picasa.ini", b"picasa.ini", b".Picasa.ini")
CONTACTS = b"contacts.xml"
Reader = Callable[[bytes], bytes | None]

_FACE = re.compile(r"rect64\(\s*([0-9a-fA-F]{1,16})\s*\)\s*,\s*([0-9a-fA-F]*)")
_NOBODY = "ffffffffffffffff"
_MOST_BYTES = 20_000_000
_FOLDERS_KEPT = 64
_MOST_FACES = 1_000
_FULL = 65535


@dataclass(frozen=True)
class Ini:
    """One folder's file: faces by photo as text, and names by contact."""

    faces: dict[str, str] = field(default_factory=dict)
    contacts: dict[str, str] = field(default_factory=dict)


class Picasa:
    """Reads the ini files of a photo's folder and of those above it, each once; holds few folders at a time."""

    def __init__(self, read: Reader):
        """`read` gives a file's content by its path relative to the archive, or None."""
        self._read = read
        self._folders: OrderedDict[bytes, Ini] = OrderedDict()
        self._book: dict[str, str] | None = None

    def read(self, path: bytes, view: View) -> Labels:
        """The faces of one photo; those whose contact has no name are kept without one."""
        folder, _, name = path.rpartition(b"/")
        text = self._ini(folder).faces.get(_key(name.decode("utf-8", "replace")), "")
        regions = []
        for rectangle, contact in _FACE.findall(text)[:_MOST_FACES]:
            place = _box(rectangle)
            box = persons.upright(place, view.orientation) if place else None
            regions.append(Region(self._name(folder, contact.lower()), box, SOURCE))
        return Labels(SOURCE, tuple(region for region in regions if region.box or region.name))

    def _name(self, folder: bytes, contact: str) -> str:
        if not contact or contact == _NOBODY:
            return ""
        if self._book is None:
            self._book = _contacts(self._read(CONTACTS) or b"")
        short = contact.lstrip("0")
        while short not in self._book:
            found = self._ini(folder).contacts.get(short)
            if found or not folder:
                return found or ""
            folder = folder.rpartition(b"/")[0]
        return self._book[short]

    def _ini(self, folder: bytes) -> Ini:
        if folder in self._folders:
            self._folders.move_to_end(folder)
            return self._folders[folder]
        merged = Ini()
        prefix = folder + b"/" if folder else b""
        for name in INI_NAMES:
            parsed = parse(self._read(prefix + name) or b"")
            merged = Ini(parsed.faces | merged.faces, parsed.contacts | merged.contacts)
        self._folders[folder] = merged
        if len(self._folders) > _FOLDERS_KEPT:
            self._folders.popitem(last=False)
        return merged


def parse(data: bytes) -> Ini:
    """Faces and contacts of one ini file; lines that are neither are passed over."""
    ini, section = Ini(), ""
    older: dict[str, str] = {}
    for line in _decoded(data[:_MOST_BYTES]).splitlines():
        line = line.strip()
        key, equals, value = line.partition("=")
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif equals and section.lower() == "contacts2":
            ini.contacts.setdefault(key.strip().lower().lstrip("0"), persons.name(value.partition(";")[0]))
        elif equals and section.lower() == "contacts":
            older.setdefault(key.strip().lower().lstrip("0"), _old_name(value))
        elif equals and key.strip().lower() == "faces":
            ini.faces.setdefault(_key(section), value)
    named = {contact: name for contact, name in ini.contacts.items() if name}
    return Ini(ini.faces, {contact: name for contact, name in older.items() if name} | named)


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _old_name(value: str) -> str:
    """The old section has either a name or an account and a number, which is no name."""
    first = value.partition(";")[0]
    account = first.partition(",")[0].endswith("_lh") or re.fullmatch(r"[0-9a-fA-F]*,?[0-9a-fA-F]*", first)
    return "" if account else persons.name(first.partition(",")[0])


def _key(file_name: str) -> str:
    return unicodedata.normalize("NFC", file_name).casefold()


def _box(rectangle: str) -> persons.Box | None:
    digits = rectangle.zfill(16)
    left, top, right, bottom = (int(digits[at : at + 4], 16) / _FULL for at in range(0, 16, 4))
    return persons.box(left, top, right - left, bottom - top)


def _contacts(data: bytes) -> dict[str, str]:
    """Names by contact of Picasa's own address book; none if it cannot be read."""
    try:
        root = fromstring(data[:_MOST_BYTES], forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return {}
    rows = ((row.get("id", ""), persons.name(row.get("name", ""))) for row in root.iter("contact"))
    return {contact.lower().lstrip("0"): name for contact, name in rows if contact and name}
