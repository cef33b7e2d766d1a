"""EXIF is rebuilt from an allow-list: what may stay stays, in its byte order; the rest is dropped and counted."""

import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import piexif
import pytest
from photo_plants import MAGENTA, camera_exif, holds_marker, plain_jpeg, segment, with_segments

from unlearn.photos import exif, exif_tags, ifds
from unlearn.photos.writing import Writing

FRAME = exif.Frame(400, 300, 6)


def groups(policy: str, names: bool = False) -> frozenset[str]:
    return exif_tags.kept_groups(Writing(metadata=policy, names=names))


def rebuilt(block: bytes, policy: str, **options: bool) -> dict[str, dict[int, object]]:
    made, _ = exif.rebuild(block, groups(policy, **options), FRAME)
    return piexif.load(b"Exif\0\0" + (made or b""))


def test_safe_keeps_camera_date_caption_and_rating() -> None:
    found = rebuilt(camera_exif(), "safe")
    assert found["0th"][piexif.ImageIFD.Model] == b"Model 1"
    assert found["0th"][piexif.ImageIFD.ImageDescription].decode() == "A day at the lake, schön"
    assert found["0th"][piexif.ImageIFD.Rating] == 4
    assert bytes(found["0th"][piexif.ImageIFD.XPTitle]).decode("utf-16-le") == "Lake\0"
    assert found["Exif"][piexif.ExifIFD.DateTimeOriginal] == b"2021:05:06 07:08:09"
    assert found["Exif"][piexif.ExifIFD.OffsetTimeOriginal] == b"+02:00"
    assert found["Exif"][piexif.ExifIFD.FNumber] == (28, 10)
    assert found["Exif"][piexif.ExifIFD.UserComment] == b"ASCII\0\0\0calm water"
    assert found["Interop"][1] == b"R98"


@pytest.mark.parametrize("policy", ["safe", "strip"])
def test_private_tags_leave_no_bytes(policy: str) -> None:
    made, dropped = exif.rebuild(camera_exif(), groups(policy), FRAME)
    assert made is not None
    for secret in (b"Owner", b"SERIAL", "Anna".encode("utf-16-le"), struct.pack(">II", 47, 1)):
        assert secret in camera_exif()
        assert secret not in made
    assert {"gps", "serial number", "owner", "maker note", "thumbnail"} <= set(dropped)
    assert set(dropped.values()) == {1}


def test_keep_keeps_what_is_private_but_no_pictures() -> None:
    made, dropped = exif.rebuild(camera_exif(), groups("keep"), FRAME)
    found = piexif.load(b"Exif\0\0" + (made or b""))
    assert found["GPS"][2] == ((47, 1), (30, 1), (0, 1))
    assert found["Exif"][piexif.ExifIFD.BodySerialNumber] == b"SERIAL-4711"
    assert found["0th"][piexif.ImageIFD.Artist] == b"Olga Owner"
    assert set(dropped) == {"maker note", "thumbnail"}
    assert not holds_marker(made or b"")


def test_strip_keeps_the_orientation_only() -> None:
    found = rebuilt(camera_exif(), "strip")
    assert found["0th"] == {piexif.ImageIFD.Orientation: 6}
    assert not any(found[part] for part in ("Exif", "GPS", "Interop", "1st"))


def test_names_add_nothing_of_the_owner() -> None:
    assert piexif.ImageIFD.Artist not in rebuilt(camera_exif(), "safe", names=True)["0th"]


def test_orientation_and_sizes_are_those_of_the_stored_picture() -> None:
    found = rebuilt(camera_exif(), "safe")
    assert found["0th"][piexif.ImageIFD.Orientation] == 6
    assert found["Exif"][piexif.ExifIFD.PixelXDimension] == 400
    assert found["Exif"][piexif.ExifIFD.PixelYDimension] == 300
    made, _ = exif.rebuild(camera_exif(), groups("safe"), exif.Frame(400, 300, 1))
    assert exif.orientation(made) == 1


def test_orientation_without_a_source_block() -> None:
    assert exif.rebuild(None, groups("safe"), exif.Frame(4, 3, 1)) == (None, {})
    made, dropped = exif.rebuild(None, groups("strip"), exif.Frame(4, 3, 8))
    assert (exif.orientation(made), dropped) == (8, {})


@pytest.mark.parametrize(("order", "head"), [(">", b"MM"), ("<", b"II")])
def test_byte_order_is_kept_and_equal_input_gives_equal_bytes(order: str, head: bytes) -> None:
    block = camera_exif(order=order)
    assert block[:2] == head
    made, _ = exif.rebuild(block, groups("keep"), FRAME)
    assert made is not None
    assert made[:2] == head
    assert exif.rebuild(block, groups("keep"), FRAME)[0] == made
    assert piexif.load(b"Exif\0\0" + made)["0th"][piexif.ImageIFD.Model] == b"Model 1"
    again, dropped = exif.rebuild(made, groups("keep"), FRAME)
    assert (again, dropped) == (made, {}), "a block that is clean already does not change"


def test_a_thumbnail_is_written_only_when_handed_in() -> None:
    ours = plain_jpeg(quality=50)[:9000]
    made, _ = exif.rebuild(camera_exif(), groups("safe"), FRAME, thumbnail=ours)
    found = piexif.load(b"Exif\0\0" + (made or b""))
    assert found["thumbnail"] == ours
    assert exif.has_thumbnail(made)
    assert not exif.has_thumbnail(exif.rebuild(camera_exif(), groups("safe"), FRAME)[0])


def test_a_thumbnail_that_does_not_fit_a_segment_is_left_out() -> None:
    made, _ = exif.rebuild(camera_exif(), groups("safe"), FRAME, thumbnail=bytes(70_000))
    assert not exif.has_thumbnail(made)


def entry(tag: int, kind: int, count: int, value: int) -> bytes:
    return struct.pack("<HHII", tag, kind, count, value)


def block(*entries: bytes, following: int = 0, tail: bytes = b"") -> bytes:
    head = b"II*\x00" + struct.pack("<IH", 8, len(entries))
    return head + b"".join(entries) + struct.pack("<I", following) + tail


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"II",
        b"MM\x00*\xff\xff\xff\xff",
        b"II*\x00\x08\x00\x00\x00",
        b"II*\x00\x00\x00\x00\x00" * 40,
        block(entry(0x010F, 2, 0xFFFFFFFF, 8)),
        block(entry(0x010F, 12, 0x20000000, 8)),
        block(entry(0x010F, 99, 1, 8)),
        block(entry(0x010F, 2, 100, 0xFFFFFFF0)),
        block(entry(0x8769, 4, 1, 8)),
        block(entry(0x8769, 4, 1, 0xFFFFFFFF)),
        block(entry(0x8769, 4, 5000, 8)),
        block(entry(0x8769, 2, 1, 8)),
        block(entry(0x010F, 2, 3, 8), following=8),
        block(*[entry(0x010E, 2, 30, 8)] * 500),
    ],
    ids=lambda data: data[8:24].hex() or "short",
)
def test_hostile_blocks_end_without_an_error(hostile: bytes) -> None:
    made, _ = exif.rebuild(hostile, groups("keep"), FRAME)
    assert exif.orientation(made) == 6
    assert len(made or b"") < 2_000
    assert exif.orientation(hostile) in range(1, 9)
    exif.has_thumbnail(hostile)


def test_the_damage_is_counted() -> None:
    assert exif.rebuild(b"not EXIF", groups("safe"), FRAME)[1] == {"damaged EXIF": 1}
    assert "damaged EXIF" in exif.rebuild(block(entry(0x010F, 2, 100, 9_999)), groups("safe"), FRAME)[1]


def test_values_that_are_not_what_their_tag_says_are_dropped() -> None:
    raw = bytes(np.tile(np.array([255, 0, 255], np.uint8), 2_000))
    for tag, kind in ((0x010E, 2), (0x9C9B, 1), (0x0131, 2)):
        made, dropped = exif.rebuild(block(entry(tag, kind, len(raw), 26), tail=raw), groups("keep"), FRAME)
        assert raw[:30] not in (made or b""), hex(tag)
        assert dropped == {"oversized or odd tags": 1}


@pytest.mark.parametrize("text", [MAGENTA.hex().encode()[:3_000], b"x " * 10_000])
def test_captions_with_pictures_or_without_end_are_dropped(text: bytes) -> None:
    made, dropped = exif.rebuild(block(entry(0x010E, 2, len(text), 26), tail=text), groups("keep"), FRAME)
    assert text[:40] not in (made or b"")
    assert dropped == {"oversized or odd tags": 1}


def test_previews_in_other_directories_are_dropped() -> None:
    tail = block(entry(0x0201, 4, 1, 60), entry(0x0202, 4, 1, len(MAGENTA)))[8:] + MAGENTA
    planted = block(entry(0x014A, 4, 1, 26), tail=tail)
    made, dropped = exif.rebuild(planted, groups("keep"), FRAME)
    assert holds_marker(planted)
    assert not holds_marker(made or b"")
    assert dropped == {"preview": 1}


def test_random_damage_never_raises() -> None:
    generator = np.random.default_rng(0)
    whole = camera_exif()
    for _ in range(400):
        data = bytearray(whole[: int(generator.integers(0, len(whole)))])
        for _ in range(int(generator.integers(0, 20)) if data else 0):
            data[int(generator.integers(0, min(len(data), 900)))] = int(generator.integers(0, 256))
        made, _ = exif.rebuild(bytes(data), groups("keep"), FRAME, thumbnail=b"\xff\xd8\xff\xd9")
        assert ifds.layout(made or b"") is not None
        assert not holds_marker(made or b"")


@pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")
def test_exiftool_reads_what_was_written(tmp_path: Path) -> None:
    made, _ = exif.rebuild(camera_exif(), groups("keep"), FRAME)
    path = tmp_path / "photo.jpg"
    path.write_bytes(with_segments(plain_jpeg(), segment(0xE1, b"Exif\0\0" + (made or b""))))
    done = subprocess.run(["exiftool", "-validate", "-warning", "-Model", path], capture_output=True, text=True)
    assert "Model 1" in done.stdout
    assert "Warning" not in done.stdout.replace("Validate", "")
