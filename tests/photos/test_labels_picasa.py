"""Picasa's ini files: rectangles with missing zeros, names from four places, and ids without a name."""

import numpy as np
import pytest

from unlearn.photos.labels import picasa
from unlearn.photos.persons import View

WIDE = View(400, 300)
ANNA, BEN = "8e62398ebda8c1a5", "0d9e6a3b1c2f4e5a"


def reader(files: dict[bytes, str | bytes]) -> picasa.Picasa:
    encoded = {path: text if isinstance(text, bytes) else text.encode() for path, text in files.items()}
    return picasa.Picasa(encoded.get)


def ini(*faces: str, contacts: str = "") -> str:
    return f"[Picasa]\nname=Summer\n{contacts}[IMG_1.jpg]\nbackuphash=1\nfaces={';'.join(faces)}\n"


def test_a_rectangle() -> None:
    text = ini(f"rect64(3f845bcb59418507),{ANNA}", contacts=f"[Contacts2]\n{ANNA}=Anna;;\n")
    (found,) = reader({b"a/.picasa.ini": text}).read(b"a/IMG_1.jpg", WIDE).regions
    assert (found.name, found.source) == ("Anna", "picasa")
    assert found.box is not None
    corners = (found.box.x, found.box.y, found.box.x + found.box.w, found.box.y + found.box.h)
    assert np.allclose(corners, [value / 65535 for value in (0x3F84, 0x5BCB, 0x5941, 0x8507)])


def test_leading_zeros_are_missing() -> None:
    (found,) = reader({b".picasa.ini": ini(f"rect64(6000000de66ffff),{ANNA}")}).read(b"IMG_1.jpg", WIDE).regions
    assert found.box is not None
    assert np.allclose((found.box.x, found.box.y), (0x0600 / 65535, 0))
    assert np.allclose((found.box.x + found.box.w, found.box.y + found.box.h), (0xDE66 / 65535, 1))


def test_boxes_belong_to_the_stored_photo() -> None:
    (found,) = (
        reader({b".picasa.ini": ini(f"rect64(0000000080004000),{ANNA}")}).read(b"IMG_1.jpg", View(400, 300, 6)).regions
    )
    assert found.box is not None
    assert np.allclose((found.box.x, found.box.y, found.box.w, found.box.h), (0.75, 0, 0.25, 0.5), atol=1e-4)


FACES = ini(f"rect64(3f845bcb59418507),{ANNA}")


@pytest.mark.parametrize(
    "files",
    [
        {
            b"a/b/.picasa.ini": FACES,
            b"contacts.xml": f'<contacts><contact id="{ANNA}" name="Anna" display="x"/></contacts>',
        },
        {b"a/b/.picasa.ini": FACES + f"[Contacts2]\n{ANNA}=Anna;;\n"},
        {b"a/b/.picasa.ini": FACES + f"[Contacts]\n{ANNA}=Anna;mail\n"},
        {b"a/b/.picasa.ini": FACES, b"a/.picasa.ini": f"[Contacts2]\n{ANNA}=Anna;;\n"},
        {b"a/b/.picasa.ini": FACES, b".picasa.ini": f"[Contacts2]\n{ANNA.upper()}=Anna;;\n"},
        {b"a/b/Picasa.ini": FACES, b"a/b/.picasa.ini": f"[Contacts2]\n{ANNA}=Anna;;\n"},
        {b"a/b/picasa.ini": FACES + f"[Contacts2]\n{ANNA}=Anna;;\n[Contacts]\n{ANNA}=Wrong\n"},
    ],
    ids=["contacts.xml", "Contacts2", "Contacts", "parent", "root", "two files", "both sections"],
)
def test_where_names_come_from(files: dict[bytes, str | bytes]) -> None:
    assert reader(files).read(b"a/b/IMG_1.jpg", WIDE).names == ("Anna",)


@pytest.mark.parametrize(
    "contacts",
    ["", f"[Contacts]\n{ANNA}=anna.b_lh,5f3a\n", f"[Contacts]\n{ANNA}=1f2e,9a8b\n", f"[Contacts2]\n{ANNA}=;;\n"],
)
def test_ids_without_a_name_are_no_error(contacts: str) -> None:
    found = reader({b".picasa.ini": FACES + contacts}).read(b"IMG_1.jpg", WIDE)
    assert found.names == ()
    assert len(found.regions) == 1


def test_nobody_stays_unnamed() -> None:
    text = ini("rect64(3f845bcb59418507),ffffffffffffffff", contacts="[Contacts2]\nffffffffffffffff=Nobody;;\n")
    assert reader({b".picasa.ini": text}).read(b"IMG_1.jpg", WIDE).names == ()


def test_contact_ids_may_lack_zeros_too() -> None:
    text = ini(f"rect64(3f845bcb59418507),{BEN.lstrip('0')}", contacts=f"[Contacts2]\n{BEN}=Ben;;\n")
    assert reader({b".picasa.ini": text}).read(b"IMG_1.jpg", WIDE).names == ("Ben",)


def test_several_faces_and_photos() -> None:
    faces = (f"rect64(3f845bcb59418507),{ANNA}", f"rect64(0000000010001000),{BEN}")
    text = ini(*faces, contacts=f"[Contacts2]\n{ANNA}=Anna;;\n{BEN}=Ben;;\n") + "[other.jpg]\nstar=yes\n"
    found = reader({b".picasa.ini": text})
    assert found.read(b"img_1.JPG", WIDE).names == ("Anna", "Ben")
    assert found.read(b"other.jpg", WIDE).regions == ()
    assert found.read(b"unknown.jpg", WIDE).regions == ()


def test_encodings_and_line_ends() -> None:
    old = f"[Contacts2]\r\n{ANNA}=J\xfcrgen;;\r\n[IMG_1.jpg]\r\nfaces=rect64(3f845bcb59418507),{ANNA}\r\n".encode(
        "cp1252"
    )
    assert reader({b".picasa.ini": old}).read(b"IMG_1.jpg", WIDE).names == ("J\u00fcrgen",)


def test_a_folder_is_read_once_and_few_are_held() -> None:
    asked: list[bytes] = []

    def read(path: bytes) -> bytes | None:
        asked.append(path)
        return None

    source = picasa.Picasa(read)
    for _ in range(10):
        source.read(b"a/1.jpg", WIDE)
    assert asked == [b"a/" + name for name in picasa.INI_NAMES]
    for number in range(500):
        source.read(b"%d/1.jpg" % number, WIDE)
    assert len(source._folders) < 100


@pytest.mark.parametrize(
    "text",
    [
        "faces=rect64(zz),1",
        "[IMG_1.jpg]\nfaces=rect64(),;;;rect64(ffff),",
        "[IMG_1.jpg]\nfaces=rect64(11112222333344445),a",
        "[IMG_1.jpg\nfaces",
        "\x00\x01[]=\n===\n[Contacts2]\n=\n",
        "[IMG_1.jpg]\nfaces=rect64(ffffffff00000000),1",
    ],
)
def test_hostile_files_end_without_an_error(text: str) -> None:
    source = reader({b".picasa.ini": text, b"contacts.xml": "<!DOCTYPE x [<!ENTITY e 'v'>]><contacts>&e;</contacts>"})
    assert source.read(b"IMG_1.jpg", WIDE).names == ()
