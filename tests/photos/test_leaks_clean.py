"""Written files prove clean: what the metadata rules let through raises no alarm, and thumbnails show the photo."""

import io

import numpy as np
import pytest
from photo_plants import MAGENTA, THUMBNAILS_XMP, bare_exif, camera_exif, encoded, scene
from PIL import Image, ImageCms

from unlearn.photos import leaks, metadata, thumbnails
from unlearn.photos.picture import Picture
from unlearn.photos.writing import Writing

RGB = scene()
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "avif"])
@pytest.mark.parametrize("policy", ["safe", "keep", "strip"])
def test_what_metadata_lets_through_raises_no_alarm(format: str, policy: str) -> None:
    source = Picture(np.asarray(RGB).copy(), format, orientation=6, exif=camera_exif(), xmp=THUMBNAILS_XMP, icc=SRGB)
    made = metadata.blocks(source, Writing(metadata=policy), thumbnails.thumbnail(source))
    prefix = b"Exif\0\0" if format == "jpeg" else b""
    options = {"exif": prefix + (made.exif or b""), "icc_profile": made.icc}
    if made.xmp and format != "png":
        options["xmp"] = made.xmp
    data = encoded(RGB, format.upper(), **options)
    assert leaks.clean(data, format, written=source) == []


def picture(seed: int = 0, shift: int = 0) -> Picture:
    pixels = np.asarray(scene(seed=seed)).astype(np.int16) + shift
    return Picture(pixels.clip(0, 255).astype(np.uint8), "jpeg")


def jpeg_with_thumbnail(of: Picture, thumbnail: bytes, quality: int = 75) -> bytes:
    block = bare_exif(thumbnail)
    return encoded(Image.fromarray(of.pixels), "JPEG", exif=b"Exif\0\0" + block, quality=quality)


def decoded(data: bytes) -> Picture:
    with Image.open(io.BytesIO(data)) as image:
        return Picture(np.asarray(image).copy(), "jpeg")


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_a_thumbnail_of_the_same_pixels_is_clean(quality: int) -> None:
    data = jpeg_with_thumbnail(picture(), thumbnails.thumbnail(picture()), quality)
    assert leaks.clean(data, "jpeg", written=decoded(data)) == []


def test_a_thumbnail_of_another_picture_is_a_finding() -> None:
    for other in (MAGENTA, thumbnails.thumbnail(picture(seed=5)), encoded(scene(80, 60), "JPEG"), MAGENTA[:200]):
        data = jpeg_with_thumbnail(picture(), other)
        found = leaks.clean(data, "jpeg", written=decoded(data))
        assert any("thumbnail" in finding for finding in found), found


def test_a_thumbnail_of_the_clean_photo_is_found_if_ours_is_at_hand() -> None:
    ours, theirs = thumbnails.thumbnail(picture(shift=2)), thumbnails.thumbnail(picture())
    for shown, expected in ((ours, []), (theirs, ["the thumbnail is not the one made from the protected pixels"])):
        data = jpeg_with_thumbnail(picture(shift=2), shown)
        assert leaks.clean(data, "jpeg", thumbnail=ours) == expected


def test_the_file_is_decoded_if_the_caller_has_not() -> None:
    data = jpeg_with_thumbnail(picture(), thumbnails.thumbnail(picture()))
    assert leaks.clean(data, "jpeg") == []
    assert any("other pixels" in f for f in leaks.clean(jpeg_with_thumbnail(picture(), MAGENTA), "jpeg"))
    assert any("cannot be decoded" in finding for finding in leaks.clean(data[:-2_000], "jpeg"))
