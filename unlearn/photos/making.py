"""A photo's bytes in, a protected photo's bytes out: decode, add noise, encode, look for clean copies, measure."""

import dataclasses
import functools
import json
from pathlib import Path
from types import ModuleType
from typing import Any

from unlearn.photos import keys, leaks, measuring, metadata, noise, thumbnails
from unlearn.photos.blocks import Blocks
from unlearn.photos.codecs import codec
from unlearn.photos.jobs import Setup
from unlearn.photos.keys import Key, KeyFileError
from unlearn.photos.picture import Damaged, LeftOut, Picture, Samples
from unlearn.quantities import whole_levels

KEYS_HELD = 8  # photos of one subject mostly come together
SAMPLE = 16  # `--verify-written sample` measures one photo in so many
LITTLE_KEPT = 0.5


class Refused(Exception):
    """A protected photo that must not be written."""


def memory_for(width: int, height: int, setup: Setup) -> int:
    """Bytes that a photo takes at its worst: before, after and written samples, and the codec's own picture."""
    return width * height * (8 if setup.verify == "none" else 14)


def key_of(setup: Setup, subject: str) -> Key:
    """The key of a subject, loaded once."""
    path, expected = setup.keys[subject]
    key = _load(path)
    if key.id != expected:
        raise KeyFileError(f"{path}: was replaced during the run; start again")
    return key


@functools.lru_cache(maxsize=KEYS_HELD)
def _load(path: str) -> Key:
    return keys.load(Path(path))


@dataclasses.dataclass(frozen=True)
class Made:
    """A protected photo in memory: the file's bytes, the columns of its row, and notes for the user."""

    data: bytes
    facts: dict[str, Any]
    notes: tuple[str, ...]


def make(data: bytes, module: ModuleType, key: Key, setup: Setup) -> Made:
    """Decode, add the noise, encode, search for clean copies, decode again and measure.

    Raises:
        LeftOut, Damaged: as the codec finds.
        Refused: a clean copy or a broken budget was found in what would be written.
    """
    picture: Picture = module.read(data, setup.writing)
    pixels = keys.pixel_hash(picture)
    measured = setup.verify == "all" or (setup.verify == "sample" and pixels[0] % SAMPLE == 0)
    original = picture.pixels.copy() if measured else None
    noise.add(picture, key, pixels)
    thumbnail = thumbnails.thumbnail(picture) if thumbnails.wanted(picture, setup.writing) else None
    blocks: Blocks = metadata.blocks(picture, setup.writing, thumbnail)
    written: bytes = module.write(picture, blocks, setup.writing)
    format = written_format(picture.format, setup)
    findings = leaks.clean(written, format, thumbnail=thumbnail) if thumbnail else leaks.scan(written, format)
    if findings:
        raise Refused(f"not written, a clean copy would be left in it: {'; '.join(findings[:3])}")
    facts: dict[str, Any] = {
        "width": picture.pixels.shape[1],
        "height": picture.pixels.shape[0],
        "pixel_hash": pixels,
        "key_id": key.id,
        "epsilon": key.epsilon,
        "dropped": json.dumps(dict(sorted((picture.copies + picture.dropped + blocks.dropped).items()))),
    }
    notes = picture.notes
    if original is not None:
        figures = _measure(original, picture, codec(format), written, key, setup)
        facts |= dataclasses.asdict(figures)
        if figures.kept is not None and figures.kept < LITTLE_KEPT:
            notes += (f"only {figures.kept:.0%} of the noise survives its encoding",)
    return Made(written, facts, notes)


def written_format(format: str, setup: Setup) -> str:
    """The format that a photo is written in."""
    return "jpeg" if format == "heif" and setup.writing.heic == "jpeg" else format


def _measure(
    original: Samples, picture: Picture, module: ModuleType, written: bytes, key: Key, setup: Setup
) -> measuring.Figures:
    try:
        again: Picture = module.read(written, setup.writing)
    except (LeftOut, Damaged) as error:
        raise Refused(f"not written, it cannot be opened again: {error}") from error
    if again.pixels.shape != original.shape or again.pixels.dtype != original.dtype:
        raise Refused(f"not written, it opens as {again.pixels.shape} {again.pixels.dtype}")
    figures = measuring.measure(original, picture.pixels, again.pixels, exact=module.LOSSLESS)
    if module.LOSSLESS and figures.linf > whole_levels(key.epsilon):
        raise Refused(f"not written, its noise reaches {figures.linf:g} levels of {whole_levels(key.epsilon)}")
    return figures
