"""What surrounds the protected pixels: EXIF, XMP and color profile, rebuilt by the user's metadata policy."""

from collections import Counter

from unlearn.photos import exif, exif_tags, signatures, xmp
from unlearn.photos.blocks import Blocks
from unlearn.photos.picture import Picture
from unlearn.photos.writing import Writing

_ICC_HEADER = 128


def blocks(picture: Picture, writing: Writing, thumbnail: bytes | None = None) -> Blocks:
    """The blocks that may be written with a photo, and what was left behind, each kind counted once a photo.

    Args:
        thumbnail: a JPEG made from the protected pixels, for EXIF's IFD1; `strip` and `thumbnails: drop` write none.

    Copies that the codec found outside the metadata (`picture.copies`) are not repeated in `dropped`.
    """
    groups = exif_tags.kept_groups(writing)
    height, width = picture.pixels.shape[:2]
    frame = exif.Frame(width, height, picture.orientation)
    with_thumbnail = writing.thumbnails == "rebuild" and writing.metadata != "strip"
    exif_block, from_exif = exif.rebuild(picture.exif, groups, frame, thumbnail if with_thumbnail else None)
    packet, from_xmp = xmp.rebuild(picture.xmp, groups, frame)
    icc, from_icc = profile(picture.icc)
    return Blocks(exif_block, packet, icc, from_exif | from_xmp | from_icc)


def profile(icc: bytes | None) -> tuple[bytes | None, Counter[str]]:
    """A color profile as it is, but for bytes behind its end; None if it is none, or holds a picture."""
    if not icc:
        return None, Counter()
    size = int.from_bytes(icc[:4], "big")
    if len(icc) < _ICC_HEADER or icc[36:40] != b"acsp" or not _ICC_HEADER <= size <= len(icc):
        return None, Counter({"damaged color profile": 1})
    if any(signatures.find(icc[:size], strict=True)) or signatures.find_encoded(icc[:size]):
        return None, Counter({"picture in the color profile": 1})
    return icc[:size], Counter({"bytes behind the color profile": 1} if size < len(icc) else {})
