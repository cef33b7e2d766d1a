"""The committed sample photos: made by their script, protected as they should be, and no clean copy comes through."""

import base64
import io
import re
import subprocess
import sys
from pathlib import Path

import archives
import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from unlearn import protection
from unlearn.photos import manifest, verifying
from unlearn.photos.codecs import codec
from unlearn.photos.options import Options
from unlearn.photos.picture import Damaged, LeftOut, upright
from unlearn.photos.rows import Row
from unlearn.photos.sniffing import kind
from unlearn.photos.writing import Writing

pytest.importorskip("pillow_heif")
SAMPLES = ROOT / "data" / "photos"
LEFT_OUT = {
    *("animated.avif", "animated.gif", "animated.png", "animated.webp", "bilevel.png", "bits-12.jpg", "bomb.png"),
    *("cmyk-profile.jpg", "cmyk.jpg", "cmyk.tif", "lossless.jpg", "pages.tif", "raw.CR3", "README.md"),
}
DAMAGED = {"empty.jpg", "no-photo.jpg", "truncated-header.jpg", "truncated.jpg", "truncated.png"}
SIDECARS = {"faces-mwg.xmp", "orientation-1.AAE", "orientation-1.jpg.json"}
MARKER = np.array((255, 0, 220))


SCRIPT = ROOT / "scripts" / "photos" / "samples.py"
# In the others only the picture inside counts: encoders differ from version to version, what they draw does not.
SAME_BYTES = {
    *("bomb.png", "empty.jpg", "faces-mwg.xmp", "no-photo.jpg", "orientation-1.AAE", "orientation-1.jpg.json"),
    *("raw.CR3", "rgb.bmp"),
}
WITH_MARKER = {
    *("jfif-thumbnail.jpg", "metadata.png", "photoshop.jpg", "preview.mpo", "private.jpg", "stereo.mpo"),
    *("thumbnail.jpg", "xmp-thumbnail.jpg"),
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    done = subprocess.run([sys.executable, SCRIPT, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_script_writes_what_is_committed(drawn: Path) -> None:
    assert {path.name for path in drawn.iterdir()} == {path.name for path in SAMPLES.iterdir()}
    for path in sorted(SAMPLES.iterdir()):
        ours, committed = (drawn / path.name).read_bytes(), path.read_bytes()
        if path.name in SAME_BYTES:
            assert ours == committed, path.name
        found = kind(committed[:4096], path.name.encode())
        assert kind(ours[:4096], path.name.encode()) == found
        if found.photo and path.name not in LEFT_OUT | DAMAGED:
            first, second = (codec(found.format).read(data, Writing()) for data in (ours, committed))
            allowed = (3 if codec(found.format).LOSSLESS else 40) * first.levels // 255
            assert np.abs(first.pixels.astype(int) - second.pixels).max() <= allowed, path.name
            assert (first.orientation, first.copies, first.icc) == (second.orientation, second.copies, second.icc)


def test_the_script_writes_the_same_bytes_twice_and_lists_all_of_them(drawn: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, check=True)
    assert {p.name: p.read_bytes() for p in drawn.iterdir()} == {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    table = (SAMPLES / "README.md").read_text()
    assert all(f"| `{path.name}` |" in table for path in SAMPLES.iterdir() if path.name != "README.md")
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) < 600_000


@pytest.fixture(scope="module")
def protected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("samples") / "out"
    key = archives.saved_key(out.parent / "key.safetensors")
    summary = protection.protect(SAMPLES, out, Options(keys=(key,), workers=1, fsync=False))
    assert summary.exit_code == 1  # the damaged ones
    return out


def rows(out: Path) -> dict[str, Row]:
    with manifest.read_only(out / ".unlearn") as found:
        assert found is not None
        return {row.path.decode(): row for row in found.rows()}


def test_every_sample_ends_as_its_table_says(protected: Path) -> None:
    status = {name: row.status for name, row in rows(protected).items()}
    assert {name for name, s in status.items() if s == "damaged"} == DAMAGED
    assert {name for name, s in status.items() if s == "left-out"} - SIDECARS == LEFT_OUT
    everything = {path.name for path in SAMPLES.iterdir()}
    assert {name for name, s in status.items() if s == "protected"} == everything - LEFT_OUT - DAMAGED - SIDECARS
    assert not [name for name, s in status.items() if s == "failed"]
    written = {path.name for path in protected.iterdir() if path.is_file()}
    assert not written & (LEFT_OUT | DAMAGED)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("animated.avif", "animated AVIF"),
        ("animated.gif", "GIF"),
        ("animated.png", "animated PNG"),
        ("animated.webp", "animated WebP"),
        ("bilevel.png", "bilevel"),
        ("bits-12.jpg", "12-bit"),
        ("bomb.png", "60000x60000"),
        ("cmyk-profile.jpg", "CMYK"),
        ("cmyk.jpg", "CMYK"),
        ("cmyk.tif", "CMYK"),
        ("lossless.jpg", "lossless"),
        ("pages.tif", "2 pages"),
        ("raw.CR3", "RAW"),
        ("README.md", "no photo"),
        ("empty.jpg", "empty"),
        ("no-photo.jpg", "not a file of this format"),
        ("truncated-header.jpg", "ends inside its header"),
        ("truncated.jpg", "truncated"),
        ("truncated.png", "cut off"),
    ],
)
def test_the_reason_is_told(protected: Path, name: str, reason: str) -> None:
    assert name in LEFT_OUT | DAMAGED
    told = rows(protected)[name].reason
    assert reason in told
    assert told.isprintable()


def test_verify_finds_nothing(protected: Path) -> None:
    assert not verifying.verify(protected, originals=SAMPLES, workers=1).findings


def holds_marker(data: bytes) -> bool:
    """True if a picture of the marker color is in the bytes, as it is or in base64, or if the file itself shows it."""
    texts = [data[found.start() : found.end()] for found in re.finditer(rb"/9j/[A-Za-z0-9+/=\s]{200,}", data)]
    parts = [data, *(base64.b64decode(text + b"==") for text in texts)]
    for part in parts:
        for start in {0, *(found.start() for found in re.finditer(rb"\xff\xd8\xff", part))}:
            try:
                with Image.open(io.BytesIO(part[start:])) as image:
                    colors = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
            except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
                continue
            if (np.abs(colors - MARKER).max(axis=1) < 40).mean() > 0.01:
                return True
    return False


def test_the_search_finds_clean_copies() -> None:
    assert {path.name for path in SAMPLES.iterdir() if holds_marker(path.read_bytes())} == WITH_MARKER


def test_no_clean_copy_comes_through(protected: Path) -> None:
    """Clean copies in the samples are of one color: no embedded picture of it may be left."""
    files = [path for path in protected.iterdir() if path.is_file()]
    assert {path.name for path in files} >= WITH_MARKER
    assert not [path.name for path in files if holds_marker(path.read_bytes())]


@pytest.mark.parametrize("number", range(1, 9))
def test_all_orientations_show_the_same_scene(number: int) -> None:
    def shown(n: int) -> np.ndarray:
        picture = codec("jpeg").read((SAMPLES / f"orientation-{n}.jpg").read_bytes(), Writing())
        assert picture.orientation == n
        return upright(picture.pixels, n).astype(int)

    assert np.abs(shown(number) - shown(1)).mean() < 4


def test_what_cannot_be_read_says_why_in_one_line() -> None:
    for name in LEFT_OUT | DAMAGED:
        data = (SAMPLES / name).read_bytes()
        found = kind(data[:4096], name.encode())
        if not found.photo:
            assert found.reason
            continue
        with pytest.raises((LeftOut, Damaged)) as raised:
            codec(found.format).read(data, Writing())
        assert str(raised.value)
        assert "\n" not in str(raised.value)
