"""Files beside a photo follow the photo's own metadata policy, and hold no pictures."""

import json
import plistlib
import zlib

import numpy as np
import pytest
from photo_plants import FULL_POLICIES, MAGENTA, MAGENTA_64, THUMBNAILS_XMP, holds_marker, packet

from unlearn.photos import sidecars, xmp_packet
from unlearn.photos.writing import Writing

KEEP = Writing(metadata="keep")
AAE = {
    "adjustmentFormatIdentifier": "com.apple.photo",
    "adjustmentFormatVersion": "1.5",
    "adjustmentBaseVersion": 0,
    "adjustmentData": zlib.compress(b"brightness 0.2"),
    "somethingElse": MAGENTA,
}
TAKEOUT = {
    "title": "IMG_1.jpg",
    "description": "At the lake",
    "imageViews": "3",
    "photoTakenTime": {"timestamp": "1620284889", "formatted": "06.05.2021"},
    "geoData": {"latitude": 47.5, "longitude": 9.25},
    "people": [{"name": "Anna"}],
    "url": "https://photos.google.com/photo/AF1Q",
    "preview": MAGENTA_64,
}


def takeout(writing: Writing) -> dict[str, object]:
    made = sidecars.filtered(json.dumps(TAKEOUT).encode(), b"IMG_1.jpg.supplemental-metadata.json", writing)
    assert made is not None
    return json.loads(made)


@pytest.mark.parametrize("writing", FULL_POLICIES, ids=str)
@pytest.mark.parametrize(
    ("data", "name"),
    [
        (THUMBNAILS_XMP, b"IMG_1.xmp"),
        (plistlib.dumps(AAE), b"IMG_1.AAE"),
        (json.dumps(TAKEOUT).encode(), b"IMG_1.jpg.json"),
    ],
    ids=["xmp", "aae", "json"],
)
def test_pictures_do_not_stay(data: bytes, name: bytes, writing: Writing) -> None:
    made = sidecars.filtered(data, name, writing)
    assert holds_marker(data)
    assert not holds_marker(made or b"")
    assert (made is None) == (writing.metadata == "strip")


def test_xmp_sidecars_keep_their_own_orientation() -> None:
    data = packet("<tiff:Orientation>8</tiff:Orientation><xmp:Rating>2</xmp:Rating>")
    made = sidecars.filtered(data, b"a.jpg.XMP", Writing())
    assert xmp_packet.parse(made or b"") == {"tiff:Orientation": "8", "xmp:Rating": "2"}


def test_edit_lists_keep_their_known_keys() -> None:
    made = sidecars.filtered(plistlib.dumps(AAE), b"IMG_1.aae", Writing())
    assert plistlib.loads(made or b"") == {key: value for key, value in AAE.items() if key != "somethingElse"}


@pytest.mark.parametrize("data", [MAGENTA, zlib.compress(MAGENTA), zlib.compress(MAGENTA)[2:-4]])
def test_edit_lists_with_a_picture_in_their_data_are_dropped(data: bytes) -> None:
    assert sidecars.filtered(plistlib.dumps(AAE | {"adjustmentData": data}), b"a.aae", KEEP) is None


def test_takeout_follows_the_policy() -> None:
    safe = takeout(Writing())
    assert set(safe) == {"title", "description", "photoTakenTime"}
    assert safe["photoTakenTime"] == TAKEOUT["photoTakenTime"]
    assert set(takeout(Writing(names=True))) == {*safe, "people"}
    assert takeout(KEEP)["geoData"] == {"latitude": 47.5, "longitude": 9.25}
    assert "url" not in takeout(KEEP), "it leads to the clean original"


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"{}", b"package.json"),
        (b"[1]", b"x.json"),
        (b"[" * 100_000, b"x.json"),
        (b'{"title": "\\ud800", "photoTakenTime": ' + b"9" * 5_000 + b"}", b"x.json"),
        (b"<plist><dict><key>adjustmentData</key></dict></plist>", b"x.aae"),
        (b"bplist00" + bytes(40), b"x.aae"),
        (b"<plist>", b"x.aae"),
        (b"", b"x.xmp"),
        (b"anything", b"x.txt"),
        (b"anything", b"no suffix"),
        (b" " * 3_000_000, b"x.json"),
    ],
    ids=range(11),
)
def test_what_is_no_sidecar_is_not_written(data: bytes, name: bytes) -> None:
    assert sidecars.filtered(data, name, KEEP) is None


def test_random_damage_never_raises() -> None:
    generator = np.random.default_rng(2)
    sources = [(plistlib.dumps(AAE), b"x.aae"), (json.dumps(TAKEOUT).encode(), b"x.json"), (THUMBNAILS_XMP, b"x.xmp")]
    for turn in range(300):
        whole, name = sources[turn % 3]
        data = bytearray(whole)
        for _ in range(3):
            data[int(generator.integers(0, len(data)))] = int(generator.integers(0, 256))
        assert not holds_marker(sidecars.filtered(bytes(data), name, KEEP) or b"")
