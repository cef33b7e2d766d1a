"""The leak scan of HEIF: tiles and alpha belong to the main picture, everything else is a second one."""

import io
import struct

import numpy as np
import pytest
from photo_plants import bare_exif, box, camera_exif, meta_file, reference, scene
from PIL import Image

from unlearn.photos import leaks, thumbnails
from unlearn.photos.picture import Picture

RGB = scene()


def heif(image: Image.Image, **options: object) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    file = pillow_heif.from_pillow(image)
    stream = io.BytesIO()
    file.save(stream, quality=60, **options)
    return stream.getvalue()


def test_heif() -> None:
    assert leaks.scan(heif(RGB), "heif") == []
    assert (
        leaks.scan(
            heif(scene(mode="RGBA"), exif=bare_exif(thumbnails.thumbnail(Picture(np.asarray(RGB), "heif")))), "heif"
        )
        == []
    )
    assert leaks.scan(heif(scene(200, 151, mode="L")), "heif") == []


def test_heif_second_pictures() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    file = pillow_heif.from_pillow(RGB)
    file.add_from_pillow(Image.new("RGB", (400, 300), (255, 0, 255)))
    stream = io.BytesIO()
    file.save(stream, quality=60, save_all=True)
    assert any("second picture" in finding for finding in leaks.scan(stream.getvalue(), "heif"))
    assert any("maker note" in f for f in leaks.scan(heif(RGB, exif=b"Exif\0\0" + camera_exif()), "heif"))


def aux(urn: bytes, item: int) -> bytes:
    ipco = box(b"ipco", box(b"auxC", bytes(4) + urn + b"\0"))
    return box(b"iprp", ipco + box(b"ipma", bytes(4) + struct.pack(">IHBB", 1, item, 1, 1)))


def test_tiles_and_alpha_belong_to_the_main_picture() -> None:
    tiles = meta_file([(1, b"grid"), (2, b"hvc1"), (3, b"hvc1")], reference(b"dimg", 1, 2, 3))
    assert leaks.scan(tiles, "heif") == []
    alpha = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha"
    both = meta_file([(1, b"hvc1"), (2, b"hvc1")], reference(b"auxl", 2, 1), aux(alpha, 2))
    assert leaks.scan(both, "heif") == []


@pytest.mark.parametrize(
    ("references", "properties", "words"),
    [
        (reference(b"thmb", 2, 1), b"", "a thumbnail"),
        (reference(b"auxl", 2, 1), aux(b"urn:mpeg:hevc:2015:auxid:2", 2), "auxid:2"),
        (reference(b"auxl", 2, 1), aux(b"urn:com:apple:photo:2020:aux:hdrgainmap", 2), "hdrgainmap"),
        (b"", b"", "second picture"),
        (reference(b"dimg", 2, 1), b"", "second picture"),
    ],
)
def test_thumbnails_and_auxiliary_items_are_found(references: bytes, properties: bytes, words: str) -> None:
    found = leaks.scan(meta_file([(1, b"hvc1"), (2, b"hvc1")], references, properties), "heif")
    assert len(found) == 1
    assert words in found[0]
