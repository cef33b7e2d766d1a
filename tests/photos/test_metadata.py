"""Blocks around the pixels: every hiding place of PHOTOS.md, section 1, that lies in EXIF, XMP or a color profile."""

import numpy as np
import pytest
from photo_plants import (
    FULL_POLICIES,
    MAGENTA,
    THUMBNAILS_XMP,
    camera_exif,
    holds_marker,
    profile,
    scene,
)
from PIL import ImageCms

from unlearn.photos import exif, metadata, thumbnails
from unlearn.photos.picture import Picture
from unlearn.photos.writing import Writing


def picture(**fields: object) -> Picture:
    return Picture(np.asarray(scene()).copy(), "jpeg", **fields)


def everything() -> Picture:
    return picture(orientation=6, exif=camera_exif(), xmp=THUMBNAILS_XMP, icc=profile(behind=MAGENTA))


@pytest.mark.parametrize("writing", FULL_POLICIES, ids=str)
def test_no_policy_lets_a_clean_picture_through(writing: Writing) -> None:
    source = everything()
    assert all(holds_marker(block or b"") for block in (source.exif, source.xmp, source.icc))
    made = metadata.blocks(source, writing, thumbnails.thumbnail(source))
    assert not any(holds_marker(block or b"") for block in (made.exif, made.xmp, made.icc))
    assert exif.orientation(made.exif) == 6
    assert {"thumbnail", "maker note", "preview in XMP", "bytes behind the color profile"} <= set(made.dropped)


@pytest.mark.parametrize(
    ("writing", "expected"),
    [
        (Writing(), True),
        (Writing(metadata="keep"), True),
        (Writing(thumbnails="drop"), False),
        (Writing(metadata="strip"), False),
    ],
    ids=str,
)
def test_our_thumbnail_is_written_where_it_may_be(writing: Writing, expected: bool) -> None:
    source = everything()
    assert thumbnails.wanted(source, writing) == expected
    assert exif.has_thumbnail(metadata.blocks(source, writing, thumbnails.thumbnail(source)).exif) == expected
    assert not exif.has_thumbnail(metadata.blocks(source, writing).exif)


def test_no_thumbnail_is_wanted_without_a_source_or_for_tiny_photos() -> None:
    assert not thumbnails.wanted(picture(exif=camera_exif(thumbnail=None)), Writing())
    small = Picture(np.asarray(scene(300, 200)).copy(), "jpeg", exif=camera_exif())
    assert not thumbnails.wanted(small, Writing())


def test_a_real_profile_passes_byte_by_byte() -> None:
    real = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    made = metadata.blocks(picture(icc=real), Writing(metadata="strip"))
    assert (made.icc, made.dropped) == (real, {})


@pytest.mark.parametrize("bad", [b"no profile", profile()[:100], b"\xff\xff" + profile()[2:], profile(extra=MAGENTA)])
def test_damaged_profiles_and_profiles_with_pictures_are_dropped(bad: bytes) -> None:
    made = metadata.blocks(picture(icc=bad), Writing())
    assert made.icc is None
    assert len(made.dropped) == 1


def test_a_photo_without_metadata_gets_none() -> None:
    made = metadata.blocks(picture(), Writing())
    assert (made.exif, made.xmp, made.icc, made.dropped) == (None, None, None, {})
