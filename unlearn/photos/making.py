"""A photo's bytes in, a protected photo's bytes out: decode, add noise, encode, look for clean copies, measure."""

import dataclasses
import json
from types import ModuleType
from typing import Any

from unlearn.photos import face_measuring, face_noise, finding, keys, leaks, measuring, metadata, noise, thumbnails
from unlearn.photos.blocks import Blocks
from unlearn.photos.carrying import Carried
from unlearn.photos.codecs import codec
from unlearn.photos.face_noise import Covered
from unlearn.photos.jobs import Setup
from unlearn.photos.picture import Damaged, LeftOut, Picture, Samples
from unlearn.quantities import whole_levels

SAMPLE = 16  # `--verify-written sample` measures one photo in so many
LITTLE_KEPT = 0.5


class Refused(Exception):
    """A protected photo that must not be written."""


class Faceless(LeftOut):
    """A photo in which no face gets noise, and that has no noise of its own either. facts: columns of its row."""

    def __init__(self, reason: str, facts: dict[str, Any]):
        super().__init__(reason)
        self.facts = facts


def memory_for(width: int, height: int, setup: Setup) -> int:
    """Bytes that a photo takes at its worst: before, after and written samples, and the codec's own picture.

    For faces: the upright copy that is searched, and the noise of one that fills the photo.
    """
    return width * height * ((8 if setup.verify == "none" else 14) + (12 if setup.finder else 0))


@dataclasses.dataclass(frozen=True)
class Made:
    """A protected photo in memory: the file's bytes, the columns of its row, and notes for the user."""

    data: bytes
    facts: dict[str, Any]
    notes: tuple[str, ...]


def make(data: bytes, module: ModuleType, carried: Carried, setup: Setup) -> Made:
    """Decode, add the noise, encode, search for clean copies, decode again and measure.

    Raises:
        LeftOut, Damaged: as the codec finds. Faceless: there is no noise for it.
        Refused: a clean copy or a broken budget was found in what would be written.
    """
    picture: Picture = module.read(data, setup.writing)
    pixels = keys.pixel_hash(picture)
    faces = _faces(picture, carried, pixels, setup)
    measured = setup.verify == "all" or (setup.verify == "sample" and pixels[0] % SAMPLE == 0)
    original = picture.pixels.copy() if measured else None
    noise.add(picture, carried.photo, pixels, faces.patches)
    written, dropped = _encoded(picture, module, setup)
    facts: dict[str, Any] = {
        "width": picture.pixels.shape[1],
        "height": picture.pixels.shape[0],
        "pixel_hash": pixels,
        "key_id": carried.mark,
        "epsilon": max(carried.photo.epsilon if carried.photo else 0.0, faces.epsilon),
        "dropped": dropped,
        **(faces.facts() if setup.finder else {}),
    }
    notes = picture.notes + faces.notes
    if original is not None:
        facts |= _measured(original, picture, faces, written, facts["epsilon"], setup)
        kept = facts["kept"]
        if kept is not None and kept < LITTLE_KEPT:
            notes += (f"only {kept:.0%} of the noise survives its encoding",)
    return Made(written, facts, notes)


def _faces(picture: Picture, carried: Carried, pixels: bytes, setup: Setup) -> Covered:
    """The photo's faces with their noise.

    Raises:
        Faceless: none has noise, and the photo has none either, or is to have none then.
    """
    if setup.finder is None:
        return Covered()
    found = face_noise.covered(picture, carried, pixels, setup.finder, setup.cloak)
    if not found.protected and (carried.photo is None or setup.faceless != "protect"):
        raise Faceless(found.lack, {"key_id": carried.mark, "pixel_hash": pixels, **found.facts()})
    return found


def _encoded(picture: Picture, module: ModuleType, setup: Setup) -> tuple[bytes, str]:
    """The file's bytes, and what was left behind, counted by kind, as JSON."""
    thumbnail = thumbnails.thumbnail(picture) if thumbnails.wanted(picture, setup.writing) else None
    blocks: Blocks = metadata.blocks(picture, setup.writing, thumbnail)
    written: bytes = module.write(picture, blocks, setup.writing)
    format = written_format(picture.format, setup)
    findings = leaks.clean(written, format, thumbnail=thumbnail) if thumbnail else leaks.scan(written, format)
    if findings:
        raise Refused(f"not written, a clean copy would be left in it: {'; '.join(findings[:3])}")
    return written, json.dumps(dict(sorted((picture.copies + picture.dropped + blocks.dropped).items())))


def written_format(format: str, setup: Setup) -> str:
    """The format that a photo is written in."""
    return "jpeg" if format == "heif" and setup.writing.heic == "jpeg" else format


def _measured(
    original: Samples, picture: Picture, faces: Covered, written: bytes, epsilon: float, setup: Setup
) -> dict[str, Any]:
    """Figures of the written file, for its row."""
    module = codec(written_format(picture.format, setup))
    try:
        again: Picture = module.read(written, setup.writing)
    except (LeftOut, Damaged) as error:
        raise Refused(f"not written, it cannot be opened again: {error}") from error
    if again.pixels.shape != original.shape or again.pixels.dtype != original.dtype:
        raise Refused(f"not written, it opens as {again.pixels.shape} {again.pixels.dtype}")
    figures = measuring.measure(original, picture.pixels, again.pixels, exact=module.LOSSLESS)
    if module.LOSSLESS and figures.linf > whole_levels(epsilon):
        raise Refused(f"not written, its noise reaches {figures.linf:g} levels of {whole_levels(epsilon)}")
    facts = dataclasses.asdict(figures)
    if faces.protected and setup.finder:
        again.orientation = picture.orientation  # what a viewer applies, whatever of it the decoder has done already
        found = face_measuring.seen_again(faces.protected, setup.finder, finding.eight_bits(again))
        facts |= face_measuring.figures(faces.protected, original, again.pixels, picture.orientation, found)
    return facts
