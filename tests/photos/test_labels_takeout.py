"""Names in Google Takeout's descriptions, found under all the names that Takeout gives them."""

import json

import pytest

from unlearn.photos.labels import takeout

PEOPLE = json.dumps({"title": "x", "people": [{"name": "Anna"}, {"name": " "}, {"name": "Ben"}, {}, 7]}).encode()
LONG = b"a" * 50 + b".jpg"


@pytest.mark.parametrize(
    ("photo", "description"),
    [
        (b"IMG_1.jpg", b"IMG_1.jpg.json"),
        (b"IMG_1.jpg", b"IMG_1.jpg.supplemental-metadata.json"),
        (b"IMG_1(2).jpg", b"IMG_1.jpg(2).json"),
        (b"IMG_1(2).jpg", b"IMG_1.jpg.supplemental-metadata(2).json"),
        (b"IMG_1-edited.jpg", b"IMG_1.jpg.json"),
        (b"Photo_from_a_trip_2021.jpg", b"Photo_from_a_trip_2021.jpg.supplemental-metada.json"),
        (LONG, LONG[:46] + b".json"),
    ],
)
def test_where_names_come_from(photo: bytes, description: bytes) -> None:
    files = {b"album/" + description: PEOPLE}
    assert takeout.read(b"album/" + photo, files.get).names == ("Anna", "Ben")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"people": 3}', b"[" * 100_000, b'{"people": [{"name": 4}]}'])
def test_other_files_name_nobody(data: bytes) -> None:
    assert takeout.read(b"a.jpg", {b"a.jpg.json": data}.get).names == ()


def test_nothing_there() -> None:
    assert takeout.read(b"a.jpg", lambda path: None).regions == ()
