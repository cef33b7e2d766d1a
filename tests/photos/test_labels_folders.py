"""The first folder below the archive names the person."""

import pytest

from unlearn.photos.labels import folders


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (b"alice/1.jpg", ("alice",)),
        (b"Alice B/2020/summer/1.jpg", ("Alice B",)),
        ("Zo\u0065\u0308/1.jpg".encode(), ("Zo\u00eb",)),
        (b"caf\xe9/1.jpg", ("caf\\xe9",)),
        (b" a\nb /1.jpg", ("a b",)),
        (b"1.jpg", ()),
        (b"\n/1.jpg", ()),
    ],
)
def test_folders(path: bytes, names: tuple[str, ...]) -> None:
    assert folders.read(path).names == names
